// What an editor with taplo's language server shows of one file: argv: the folder of @taplo/lsp, the file.
// Prints {problems: [text], keys: {line: [key]}, explained: {line: [key]}, hovers: {line: text}} as JSON; lines count from 0.
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL, fileURLToPath } = require("node:url");
const [library, file] = process.argv.slice(2);
const { TaploLsp } = require(library);

const silent = async (bytes) => bytes.length;
const nowhere = async () => { throw new Error("no network"); };
const environment = {
  now: () => new Date(), envVar: () => undefined, envVars: () => [], stdErrAtty: () => false,
  stdin: async () => new Uint8Array(), stdout: silent, stderr: silent, glob: () => [],
  readFile: (name) => fs.promises.readFile(name), writeFile: async () => {},
  urlToFilePath: (url) => (url.startsWith("file:") ? fileURLToPath(url) : ""),
  isAbsolute: path.isAbsolute, cwd: () => path.dirname(file), findConfigFile: () => undefined,
  fetch: { fetch: nowhere, Headers, Request, Response },
};
const waiting = new Map();
let server, problems, published = 0, numbers = 0, checked = () => {};
const onMessage = (message) => {
  if (message.method === "workspace/configuration")
    server.send({ jsonrpc: "2.0", id: message.id, result: message.params.items.map(() => ({ schema: { enabled: true } })) });
  else if (message.method === "textDocument/publishDiagnostics") {
    problems = message.params.diagnostics.map((found) => found.message);
    published += 1;
    checked();
  } else if (waiting.has(message.id)) waiting.get(message.id)(message.result);
};
const tell = (method, params) => server.send({ jsonrpc: "2.0", method, params });
const ask = (method, params) => new Promise((resolve) => {
  waiting.set(++numbers, resolve);
  server.send({ jsonrpc: "2.0", id: numbers, method, params });
});

(async () => {
  const folder = pathToFileURL(path.dirname(file)).href, uri = pathToFileURL(file).href;
  server = await TaploLsp.initialize(environment, { onMessage });
  const textDocument = { hover: { contentFormat: ["markdown"] }, completion: { completionItem: { snippetSupport: true } } };
  await ask("initialize", { rootUri: folder, capabilities: { textDocument }, workspaceFolders: [{ uri: folder, name: "x" }] });
  tell("initialized", {});
  const text = fs.readFileSync(file, "utf8");
  tell("textDocument/didOpen", { textDocument: { uri, languageId: "toml", version: 1, text } });
  const told = { keys: {}, explained: {}, hovers: {} };
  for (const [line, words] of text.split("\n").entries()) {
    const at = { textDocument: { uri }, position: { line, character: words ? 1 : 0 } };
    if (words === "") {
      const found = await ask("textDocument/completion", at);
      const items = found?.items ?? found ?? [];
      told.keys[line] = items.map((item) => item.label);
      told.explained[line] = items.filter((item) => item.documentation?.value).map((item) => item.label);
    } else if (/^\w/.test(words)) told.hovers[line] = (await ask("textDocument/hover", at))?.contents.value.trim() ?? "";
  }
  // Problems of syntax come first, those of the schema after it has been loaded.
  while (published < 3) await new Promise((resolve) => { checked = resolve; });
  console.log(JSON.stringify({ problems, ...told }));
  process.exit(0);
})();
