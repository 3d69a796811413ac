// The broker of npm's stomp-broker-js inside npm's sockjs, at /stomp; what is sent to /app/echo comes back to all who
// have subscribed to /topic/echo. It says its URL, and its log for each line of input.
import { createRequire } from "node:module"
import { createServer } from "node:http"
import { createInterface } from "node:readline"
const Broker = createRequire(process.argv[2] + "/")("stomp-broker-js")
const say = console.log
console.log = () => {} // where sockjs says that it is there
const log = { connected: 0, subscribed: 0, sent: 0, left: 0 }
const server = createServer()
const broker = new Broker({ server, path: "/stomp", protocol: "sockjs", heartbeat: [5000, 5000] })
broker.on("connected", () => { log.connected += 1 })
broker.on("subscribe", ({ topic }) => { if (topic.startsWith("/topic/")) log.subscribed += 1 })
broker.on("disconnected", () => { log.left += 1 })
broker.subscribe("/app/echo", (body, headers) => {
  log.sent += 1
  broker.send("/topic/echo", { "content-type": headers["content-type"] }, typeof body === "string" ? body : JSON.stringify(body))
})
server.listen(0, "127.0.0.1", () => say(`ws://127.0.0.1:${server.address().port}/stomp`))
createInterface(process.stdin).on("line", () => say(JSON.stringify(log))).on("close", () => process.exit())
