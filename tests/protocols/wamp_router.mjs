// The router of npm's fox-wamp with a procedure of its own, and logins by ticket if told so; it says its URL, and its log for each line of input.
import { createRequire } from "node:module"
import { createServer } from "node:http"
import { createInterface } from "node:readline"
const require = createRequire(process.argv[2] + "/")
const Router = require("fox-wamp")
const { SESSION_RX } = require("fox-wamp/lib/messages")
const kinds = { 1: "hello", 6: "goodbye", 16: "publish", 32: "subscribe", 48: "call", 64: "register", 70: "yield" }
const log = Object.fromEntries(Object.values(kinds).map(kind => [kind, 0]))
const router = new Router()
router.on(SESSION_RX, (_session, data) => { const kind = kinds[JSON.parse(data)[0]]; if (kind) log[kind] += 1 })
router.getRealm("realm1", realm => {
  const api = realm.wampApi()
  api.register("com.example.add", (id, args) => api.resrpc(id, null, [args[0] + args[1]], { ok: true }))
})
const tickets = {
  getAuthMethods: () => ["ticket"],
  ticket_auth: (_realm, _details, secret, _extra, done) =>
    secret === "good" ? done(undefined, { role: "user" }) : done(new Error("no such ticket")),
  authorize: () => true,
}
const http = createServer()
router.listenWAMP({ server: http, path: "/ws" }, process.argv[3] ? tickets : undefined)
http.listen(0, "127.0.0.1", () => console.log(`ws://127.0.0.1:${http.address().port}/ws`))
createInterface(process.stdin).on("line", () => console.log(JSON.stringify(log))).on("close", () => process.exit())
