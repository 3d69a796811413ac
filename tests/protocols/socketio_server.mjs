// The server of npm's socket.io, for clients of Engine.IO 4 and 3; it says its URL, and its log for each line of input.
import { createRequire } from "node:module"
import { createServer } from "node:http"
import { createInterface } from "node:readline"
const require = createRequire(process.argv[2] + "/")
const { Server } = require("socket.io")
const log = { join: 0, say: 0, blob: 0, ids: [], gone: [] }
const http = createServer()
const io = new Server(http, { allowEIO3: true, pingInterval: 300, pingTimeout: 3000 })

function talk(socket) {
  log.ids.push(socket.id)
  socket.on("join", (data, ack) => { log.join += 1; ack({ ok: data.room.startsWith("r"), id: socket.id }) })
  socket.on("say", (data, ack) => { log.say += 1; ack({ n: data.n, from: data.from }) })
  socket.on("blob", (number, word, one, two) => {
    if (number !== 1 || word !== "two" || one.toString("hex") !== "000102ff" || two.length !== 2) throw new Error("blob")
    log.blob += 1
    socket.emit("bytes", one.length + two.length, Buffer.concat([one, two]))
  })
  socket.on("bye", () => socket.disconnect())
  socket.on("disconnect", reason => log.gone.push(reason))
}

io.on("connection", talk)
io.of("/chat").use((socket, next) => socket.handshake.auth.token === "good" ? next() : next(new Error("not allowed")))
io.of("/chat").on("connection", talk)
http.listen(0, "127.0.0.1", () => console.log(`ws://127.0.0.1:${http.address().port}`))
createInterface(process.stdin).on("line", () => console.log(JSON.stringify(log))).on("close", () => process.exit())
