// The official client of Phoenix: `talk URL VSN [PACKAGE]` goes through a conversation, `session URL NUMBER
// ROUNDS PAUSE_MS` is one of a member of a room, `encode` and `decode` show its serializer.
import { createRequire } from "node:module"
import { text } from "node:stream/consumers"
const require = createRequire(process.argv[2] + "/")
const phoenix = require("phoenix"), { Socket, Serializer } = phoenix
const bytes = encoded => { const found = Buffer.from(encoded, "base64"); return found.buffer.slice(found.byteOffset, found.byteOffset + found.length) }
const shown = found => found instanceof ArrayBuffer ? { bytes: Buffer.from(found).toString("base64") } : found
const FIELDS = ["join_ref", "ref", "topic", "event", "payload"]

async function talk(url, vsn, name) {
  const { Socket, Presence } = name ? require(name) : phoenix
  const plain = { encode: (m, then) => then(JSON.stringify(m)), decode: (m, then) => then(JSON.parse(m)) }
  const socket = new Socket(url, { transport: require("ws"), vsn, heartbeatIntervalMs: 30, ...(vsn[0] === "1" ? plain : {}) })
  const seen = { refs: 0 }
  socket.onMessage(m => { if (m.topic === "phoenix") seen.refs += 1 })
  socket.connect()
  const ended = push => new Promise(done => ["ok", "error", "timeout"].forEach(s => push.receive(s, r => done([s, r]))))
  const room = socket.channel("room:1", { who: "me" }), other = socket.channel("room:2"), closed = socket.channel("closed:1")
  const presence = name ? null : new Presence(room), heard = new Promise(done => room.on("shout", done))
  const synced = new Promise(done => presence ? presence.onSync(() => done(presence.list().length))
    : room.on("presence_state", state => done(Presence.list(Presence.syncState({}, state)).length))) // before version 1.4
  seen.joins = [await ended(room.join()), await ended(other.join()), await ended(closed.join())]
  closed.leave()
  seen.presences = await synced
  seen.echo = await ended(room.push("echo", { n: 1 }))
  if (vsn[0] === "2") seen.size = await ended(room.push("echo", bytes("AP9/")))
  other.push("shout", {}); room.push("shout", { text: "hello" })
  seen.heard = await heard
  const crashed = new Promise(done => other.onError(done))
  other.push("crash", {}); await crashed
  while (!seen.refs) await new Promise(done => setTimeout(done, 10))
  seen.left = await ended(room.leave())
  seen.state = room.state
  console.log(JSON.stringify(seen))
  process.exit(0)
}

async function session(url, number, rounds, pauseMs) {
  const socket = new Socket(url, { transport: require("ws"), params: { token: "t-" + number } })
  socket.connect()
  const answered = push => new Promise((done, failed) => push.receive("ok", done).receive("error", failed).receive("timeout", failed))
  const room = socket.channel("room:" + number, { who: "member" + number })
  await answered(room.join())
  for (let n = 0; n < rounds; n++) {
    const { n: back } = await answered(room.push("echo", { n: n + 1000 * number }))
    room.push("seen", { n: back })
    await new Promise(done => setTimeout(done, pauseMs))
  }
  await answered(room.leave())
  socket.disconnect(() => process.exit(0))
}

async function convert(how) {
  const found = []
  for (const told of JSON.parse(await text(process.stdin))) {
    if (how === "encode") {
      const message = Object.fromEntries(FIELDS.map((name, index) => [name, told[index]]))
      if (message.payload?.bytes !== undefined) message.payload = bytes(message.payload.bytes)
      Serializer.encode(message, raw => found.push(shown(raw)))
    } else Serializer.decode(typeof told === "string" ? told : bytes(told.bytes), m => {
      const payload = m.payload?.response === undefined ? shown(m.payload) : { ...m.payload, response: shown(m.payload.response) }
      found.push({ ...m, payload })
    })
  }
  console.log(JSON.stringify(found))
}

const [how, ...more] = process.argv.slice(3)
await (how === "talk" ? talk(...more) : how === "session" ? session(more[0], ...more.slice(1).map(Number)) : convert(how))
