// The server of npm's socket.io, for clients of Engine.IO 4 and 3, or with "2" that of version 2; it says its URL, and
// its log for each line of input.
import { createRequire } from "node:module"
import { createServer } from "node:http"
import { createInterface } from "node:readline"
const require = createRequire(process.argv[2] + "/")
const old = process.argv[3] === "2", settings = { pingInterval: 300, pingTimeout: 3000 }
const log = { join: 0, say: 0, blob: 0, ids: [], gone: [], pings: 0 }
const http = createServer()
const io = old ? require("socket.io-2")(http, settings) : new (require("socket.io").Server)(http, { allowEIO3: true, ...settings })

function talk(socket) {
  log.ids.push(socket.id)
  socket.conn.on("packet", packet => { if (packet.type === "ping") log.pings += 1 })
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
const named = ({ handshake }) => (old ? handshake.query : handshake.auth).token
io.of("/chat").use((socket, next) => named(socket) === "good" ? next() : next(new Error("not allowed")))
io.of("/chat").on("connection", talk)
http.listen(0, "127.0.0.1", () => console.log(`ws://127.0.0.1:${http.address().port}`))
createInterface(process.stdin).on("line", () => console.log(JSON.stringify(log))).on("close", () => process.exit())
