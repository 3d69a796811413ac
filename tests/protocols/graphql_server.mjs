// The server of npm's graphql-ws over ws; it says its URL, and its log for each line of input.
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
const require = createRequire(process.argv[2] + "/")
const { WebSocketServer } = require("ws")
const { buildSchema } = require("graphql")
const { useServer } = require("graphql-ws/use/ws")
const log = { double: 0, note: 0, ticks: 0, completed: 0, pings: 0 }
const schema = buildSchema(`
  type Query { double(n: Int!): Int!, fails: Int! }
  type Mutation { note(n: Int!): Int! }
  type Subscription { ticks(upTo: Int!): Int! }`)
const roots = {
  query: { double: ({ n }) => { log.double += 1; return 2 * n }, fails: () => { throw new Error("no such thing") } },
  mutation: { note: ({ n }) => { log.note += 1; return n } },
  subscription: {
    async *ticks({ upTo }) {
      for (let ticks = 0; ticks < upTo; ticks += 1) { log.ticks += 1; yield { ticks }; await new Promise(r => setTimeout(r, 30)) }
    },
  },
}
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/graphql" })
useServer({ schema, roots, onConnect: ({ connectionParams }) => connectionParams?.token !== "bad",
  onComplete: () => { log.completed += 1 } }, server, 200)
server.on("connection", socket => socket.on("message", data => { if (JSON.parse(data).type === "ping") log.pings += 1 }))
server.on("listening", () => console.log(`ws://127.0.0.1:${server.address().port}/graphql`))
createInterface(process.stdin).on("line", () => console.log(JSON.stringify(log))).on("close", () => process.exit())
