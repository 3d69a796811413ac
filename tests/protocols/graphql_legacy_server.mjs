// The server of npm's subscriptions-transport-ws, which speaks the old graphql-ws; it says its URL, and its log for each
// line of input.
import { createRequire } from "node:module"
import { createServer } from "node:http"
import { createInterface } from "node:readline"
const require = createRequire(process.argv[2] + "/"), of = createRequire(process.argv[2] + "/subscriptions-transport-ws/")
const { SubscriptionServer } = require("subscriptions-transport-ws")
const { buildSchema, execute, subscribe } = of("graphql")
const log = { double: 0, ticks: 0, begun: 0, stopped: 0, left: 0 }
const schema = buildSchema(`
  type Query { double(n: Int!): Int!, fails: Int! }
  type Subscription { ticks(upTo: Int!): Int!, broken: Int! }`)
const rootValue = {
  double: ({ n }) => { log.double += 1; return 2 * n },
  fails: () => { throw new Error("no such thing") },
  async *ticks({ upTo }) {
    for (let ticks = 0; ticks < upTo; ticks += 1) { log.ticks += 1; yield { ticks }; await new Promise(r => setTimeout(r, 30)) }
  },
  async *broken() { yield {} },
}
const server = createServer()
SubscriptionServer.create({
  schema, execute, subscribe, rootValue, keepAlive: 100,
  onConnect: params => { if (params.token === "bad") throw new Error("not you") },
  onOperation: (_, params) => { log.begun += 1; return params },
  onOperationComplete: () => { log.stopped += 1 },
  onDisconnect: () => { log.left += 1 },
}, { server, path: "/graphql" })
server.listen(0, "127.0.0.1", () => console.log(`ws://127.0.0.1:${server.address().port}/graphql`))
createInterface(process.stdin).on("line", () => console.log(JSON.stringify(log))).on("close", () => process.exit())
