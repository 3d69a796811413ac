// What the libraries of npm make of messages and frames: a line of JSON asks [codec, how, told], a line answers
// { made } or { refused }. Bytes are { $bytes: "base64" } both ways.
import { createRequire } from "node:module"
import { createInterface } from "node:readline"
import { readFileSync } from "node:fs"
const root = process.argv[2], require = createRequire(root + "/"), of = name => createRequire(`${root}/${name}/`)

const asBuffer = data => Buffer.from(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength)
const asArrayBuffer = data => data.buffer.slice(data.byteOffset, data.byteOffset + data.length)
const revive = (_, value) => typeof value?.$bytes === "string" ? Buffer.from(value.$bytes, "base64") : value
function shown(value) {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return { $bytes: asBuffer(value).toString("base64") }
  if (Array.isArray(value)) return value.map(shown)
  if (value === null || typeof value !== "object") return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shown(inner)]))
}

const codecs = {
  mqtt: () => {
    const mqtt = require("mqtt-packet")
    return {
      encode: ({ version, packets }) => packets.map(packet => mqtt.generate(packet, { protocolVersion: version })),
      decode({ version, frames }) {
        const parser = mqtt.parser({ protocolVersion: version }), found = []
        parser.on("packet", packet => found.push(packet))
        parser.on("error", error => { throw error })
        const left = frames.map(frame => parser.parse(frame)).at(-1)
        return { found, left }
      },
    }
  },
  signalr: () => {
    const { JsonHubProtocol, NullLogger } = require("@microsoft/signalr")
    const { MessagePackHubProtocol } = require("@microsoft/signalr-protocol-msgpack")
    const { HandshakeProtocol } = of("@microsoft/signalr")("./dist/cjs/HandshakeProtocol.js")
    const protocols = { json: new JsonHubProtocol(), messagepack: new MessagePackHubProtocol() }
    const handshake = new HandshakeProtocol()
    const read = (format, frame) =>
      protocols[format].parseMessages(format === "json" ? frame.toString() : asArrayBuffer(frame), NullLogger.instance)
    return {
      encode: ({ format, messages }) => messages.map(message => Buffer.from(protocols[format].writeMessage(message))),
      decode: ({ format, frame }) => read(format, frame),
      ask: ({ format }) => Buffer.from(handshake.writeHandshakeRequest({ protocol: format, version: 1 })),
      open({ format, frame }) {
        const [rest, answer] = handshake.parseHandshakeResponse(format === "json" ? frame.toString() : asArrayBuffer(frame))
        return { answer, found: rest === null ? [] : read(format, Buffer.from(rest)) }
      },
    }
  },
  phoenix: () => {
    const { Serializer } = require("phoenix")
    const bare = value => Buffer.isBuffer(value) ? asArrayBuffer(value) : value
    return {
      encode(message) { let made; Serializer.encode({ ...message, payload: bare(message.payload) }, raw => made = raw); return made },
      decode({ frame, binary }) { let found; Serializer.decode(binary ? bare(frame) : frame.toString(), m => found = m); return found },
    }
  },
  graphql: () => {
    const { parseMessage, stringifyMessage } = require("graphql-ws")
    return { encode: message => stringifyMessage(message), decode: text => parseMessage(text) }
  },
  pusher: () => {
    const source = readFileSync(`${root}/pusher-js/src/core/connection/protocol/protocol.ts`, "utf8")
    const { outputText } = require("typescript").transpileModule(source, { compilerOptions: { module: "commonjs" } })
    const exports = {}
    new Function("exports", "require", outputText)(exports, require)
    const { encodeMessage, decodeMessage, processHandshake } = exports.default
    const open = data => processHandshake.call(exports.default, { data })
    return { encode: message => encodeMessage(message), decode: data => decodeMessage({ data }), open }
  },
  actioncable: () => {
    globalThis.addEventListener = globalThis.removeEventListener = () => {}
    const { adapters, createConsumer } = require("@rails/actioncable")
    class Socket {
      static CONNECTING = 0; static OPEN = 1; static CLOSED = 3
      constructor() { Object.assign(this, { protocol: "actioncable-v1-json", readyState: 1, sent: [] }); Socket.last = this }
      send(data) { this.sent.push(data) }
      close() { this.readyState = 3 }
    }
    adapters.WebSocket = Socket
    const joined = identifiers => {
      const consumer = createConsumer("ws://127.0.0.1:9/cable"), heard = []
      const channels = identifiers.map((identifier, number) => consumer.subscriptions.create(identifier, Object.fromEntries(
        ["connected", "rejected", "received", "disconnected"].map(how => [how, told => heard.push([number, how, told])]))))
      const socket = Socket.last
      socket.onopen({})
      socket.onmessage({ data: '{"type":"welcome"}' })
      const left = () => { consumer.connection.monitor.stop(); consumer.subscriptions.guarantor.stopGuaranteeing() }
      return { channels, socket, heard, left }
    }
    return {
      encode({ identifier, action, data }) {
        const { channels: [channel], socket, left } = joined([identifier])
        channel.perform(action, data); channel.unsubscribe(); left()
        return socket.sent
      },
      decode({ identifiers, frames }) {
        const { socket, heard, left } = joined(identifiers)
        try { frames.forEach(data => socket.onmessage({ data })) } finally { left() }
        return { heard, open: socket.readyState === 1 }
      },
    }
  },
  socketio: () => {
    const { Encoder, Decoder } = of("socket.io")("socket.io-parser")
    const { encodePacket, decodePacket } = of("socket.io")("engine.io-parser")
    return {
      encode(packet) {
        const frames = []
        if (packet.engine) encodePacket(packet, true, data => frames.push(data))
        else for (const data of new Encoder().encode(packet)) encodePacket({ type: "message", data }, true, made => frames.push(made))
        return frames
      },
      decode(frames) {
        const decoder = new Decoder(), found = []
        decoder.on("decoded", packet => found.push(packet))
        for (const frame of frames) {
          const { type, data } = decodePacket(frame, "nodebuffer")
          if (type === "error") throw new Error(data)
          if (type === "message") decoder.add(data)
          else found.push({ engine: type, data })
        }
        return found
      },
    }
  },
}

const loaded = {}
for await (const line of createInterface({ input: process.stdin })) {
  const [codec, how, told] = JSON.parse(line, revive)
  let answer
  try {
    loaded[codec] ??= codecs[codec]()
  } catch (error) {
    answer = { broken: String(error?.stack ?? error) }
  }
  try {
    answer ??= { made: shown(loaded[codec][how](told)) }
  } catch (error) {
    answer = { refused: String(error?.message ?? error) }
  }
  process.stdout.write(JSON.stringify(answer) + "\n")
}
process.exit(0)
