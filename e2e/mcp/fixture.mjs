// A server of the Model Context Protocol with what the conformance suite asks for, of both eras, by hand: sessions and streams that can be
// taken up again up to 2025-11-25, stateless from 2026-07-28 on. `node fixture.mjs PORT` listens on loopback and says so.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { callTool, prompt, prompts, read, repeated, resources, templates, tools } from "./content.mjs";
import { Refused } from "./needs.mjs";
import { TASKS, taskOf } from "./tasks.mjs";

const MODERN = "2026-07-28";
const LEGACY = ["2025-11-25", "2025-06-18", "2025-03-26"];
const META = "io.modelcontextprotocol/";
const BODY_BYTES_MAX = 4 * 1024 * 1024;

const CAPABILITIES = {
  tools: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  prompts: { listChanged: true },
  completions: {},
};
// What of a request's parameters its Mcp-Name repeats.
const NAMED = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
};
// What is answered on a stream, so that the suite finds some; the newest protocol's tools open one where they tell something meanwhile.
const STREAMED = ["tools/list", "tools/call"];
const SERVER = { name: "conformance-fixture", version: "1.0.0" };

const sessions = new Map();
const listeners = new Set();

// One stream of events: the answer to a message, or what the server says of its own accord.
class Stream {
  constructor(response, session, key) {
    Object.assign(this, { response, session, key, sent: 0 });
  }
  open() {
    if (this.response && !this.response.headersSent) {
      this.response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store", ...this.headers });
    }
  }
  send(message) {
    this.open();
    const id = `${this.key}/${++this.sent}`;
    this.session?.past.push([this.key, this.sent, message]);
    const lead = this.session ? `id: ${id}\n` : "";
    this.response?.write(`event: message\n${lead}data: ${JSON.stringify(message)}\n\n`);
  }
  // An event without data, from which the client can go on, and how soon it should.
  prime() {
    this.open();
    this.response.write(`id: ${this.key}/${this.sent}\nretry: 200\ndata: \n\n`);
  }
  hangUp() {
    if (!this.session) return;
    this.prime();
    this.response.end();
    this.response = null;
  }
  end() {
    this.response?.end();
  }
}

const failed = (id, error) => ({
  jsonrpc: "2.0",
  id: id ?? null,
  error: { code: error.code ?? -32603, message: error.message, ...(error.data && { data: error.data }) },
});

function json(response, status, body, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

// What both eras have in common; `call` knows the message and its client.
function answer(method, call) {
  const cached = call.modern ? { ttlMs: 1000, cacheScope: "public" } : {};
  switch (method) {
    case "tools/list": return { tools, ...cached };
    case "tools/call": return callTool(call);
    case "resources/list": return { resources, ...cached };
    case "resources/templates/list": return { resourceTemplates: templates, ...cached };
    case "resources/read": return { contents: read(call.params.uri, call.modern), ...cached };
    case "prompts/list": return { prompts, ...cached };
    case "prompts/get": return prompt(call);
    case "completion/complete": return { completion: { values: ["paris", "park", "party"], total: 3, hasMore: false } };
  }
  if (call.modern) {
    switch (method) {
      case "tasks/get": return taskOf(call).told();
      case "tasks/update": return taskOf(call).answered(call.params.inputResponses) ?? {};
      case "tasks/cancel": return taskOf(call).cancel() ?? {};
    }
  } else {
    switch (method) {
      case "ping": return {};
      case "logging/setLevel": return {};
      case "resources/subscribe": return {};
      case "resources/unsubscribe": return {};
    }
  }
  throw new Refused(-32601, `Unknown method: ${method}`);
}

function changed(kind) {
  for (const listener of listeners) {
    if (listener.wants[`${kind}ListChanged`]) listener.send(`notifications/${kind}/list_changed`, {});
  }
}

// Answers on a stream where something is told meanwhile, and as one JSON text otherwise.
async function respond(message, call, stream, response, headers) {
  try {
    const result = await answer(message.method, call);
    const whole = call.modern && !("resultType" in result) ? { resultType: "complete", ...result } : result;
    const said = { jsonrpc: "2.0", id: message.id, result: whole };
    if (call.streams || response.headersSent) {
      stream.send(said);
      stream.end();
    } else {
      json(response, 200, said, headers);
    }
  } catch (error) {
    const said = failed(message.id, error);
    if (response.headersSent) {
      stream.send(said);
      stream.end();
    } else {
      const status = !call.modern ? 200 : error.code === -32601 ? 404 : error.code === -32021 ? 400 : 200;
      json(response, status, said, headers);
    }
  }
}

function legacy(request, response, message) {
  const session = sessions.get(request.headers["mcp-session-id"]);
  if (message?.method === "initialize") {
    const asked = message.params?.protocolVersion;
    const id = randomUUID();
    sessions.set(id, { past: [], waiting: new Map(), streams: 0 });
    const protocolVersion = LEGACY.includes(asked) ? asked : LEGACY[0];
    const capabilities = { ...CAPABILITIES, logging: {} };
    const result = { protocolVersion, capabilities, serverInfo: SERVER };
    return json(response, 200, { jsonrpc: "2.0", id: message.id, result }, { "mcp-session-id": id });
  }
  if (!session) return json(response, 404, failed(message?.id, new Refused(-32001, "Session not found")));
  if (request.method === "DELETE") {
    sessions.delete(request.headers["mcp-session-id"]);
    response.writeHead(200);
    return response.end();
  }
  if (request.method === "GET") return resumed(request, response, session);
  if (message.method === undefined) {
    session.waiting.get(message.id)?.(message);
    session.waiting.delete(message.id);
  }
  if (message.method === undefined || message.id === undefined) {
    response.writeHead(202);
    return response.end();
  }
  const stream = new Stream(response, session, ++session.streams);
  const tell = (method, params) => stream.send({ jsonrpc: "2.0", method, params });
  const call = {
    modern: false,
    capabilities: null,
    params: message.params ?? {},
    streams: STREAMED.includes(message.method),
    tell,
    log: (data) => tell("notifications/message", { level: "info", data }),
    changed,
    hangUp: () => stream.hangUp(),
    ask: (asked) =>
      new Promise((resolve, reject) => {
        const id = randomUUID();
        session.waiting.set(id, ({ result, error }) => (error ? reject(new Error(error.message)) : resolve(result)));
        stream.send({ jsonrpc: "2.0", id, ...asked });
      }),
  };
  return respond(message, call, stream, response);
}

// A stream taken up again: what came after the last event the client has, and what still comes.
function resumed(request, response, session) {
  const [key, sent] = String(request.headers["last-event-id"] ?? "").split("/").map(Number);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  response.flushHeaders();
  if (!key) return;
  let at = 0;
  const look = setInterval(() => {
    for (; at < session.past.length; at++) {
      const [of, number, message] = session.past[at];
      if (of !== key || number <= sent) continue;
      response.write(`event: message\nid: ${of}/${number}\ndata: ${JSON.stringify(message)}\n\n`);
    }
  }, 20);
  response.on("close", () => clearInterval(look));
}

function modern(request, response, message) {
  if (request.method !== "POST") {
    response.writeHead(405, { allow: "POST" });
    return response.end();
  }
  const refuse = (status, code, said, data) => json(response, status, failed(message.id, new Refused(code, said, data)));
  const meta = message.params?._meta;
  const version = meta?.[`${META}protocolVersion`];
  const header = request.headers["mcp-protocol-version"];
  if (message.id === undefined) {
    response.writeHead(202);
    return response.end();
  }
  if (typeof version !== "string" || typeof meta[`${META}clientCapabilities`] !== "object") {
    return refuse(400, -32602, "_meta must state the protocol version and the client's capabilities");
  }
  if (header !== version) return refuse(400, -32020, "MCP-Protocol-Version says something else");
  if (version !== MODERN) {
    return refuse(400, -32022, "Unsupported protocol version", { supported: [MODERN, ...LEGACY], requested: version });
  }
  if (request.headers["mcp-method"] !== message.method) return refuse(400, -32020, "Mcp-Method says something else");
  const named = NAMED[message.method];
  if (named && decoded(request.headers["mcp-name"]) !== message.params[named]) {
    return refuse(400, -32020, "Mcp-Name says something else");
  }
  for (const [header, argument] of message.method === "tools/call" ? repeated(message.params) : []) {
    if (decoded(request.headers[header]) !== argument) return refuse(400, -32020, `${header} says something else`);
  }
  if (message.method === "server/discover") {
    const result = {
      resultType: "complete",
      supportedVersions: [MODERN, ...LEGACY],
      capabilities: { ...CAPABILITIES, extensions: { [TASKS]: {} } },
      ttlMs: 1000,
      cacheScope: "public",
      _meta: { [`${META}serverInfo`]: SERVER },
    };
    return json(response, 200, { jsonrpc: "2.0", id: message.id, result });
  }
  const stream = new Stream(response, null, 1);
  if (message.method === "subscriptions/listen") return listen(response, message, stream);
  const tell = (method, params) => stream.send({ jsonrpc: "2.0", method, params });
  const call = {
    modern: true,
    capabilities: meta[`${META}clientCapabilities`],
    params: message.params,
    streams: message.method === "tools/list",
    tell,
    log: (data) => meta[`${META}logLevel`] && tell("notifications/message", { level: "info", data }),
    changed,
    hangUp() {},
    ask() {
      throw new Refused(-32603, "this tool needs a session");
    },
  };
  return respond(message, call, stream, response);
}

function listen(response, message, stream) {
  const wants = message.params.notifications ?? message.params.filter ?? {};
  const tagged = (method, params) =>
    stream.send({ jsonrpc: "2.0", method, params: { ...params, _meta: { [`${META}subscriptionId`]: message.id } } });
  const listener = { wants, send: tagged };
  listeners.add(listener);
  response.on("close", () => listeners.delete(listener));
  tagged("notifications/subscriptions/acknowledged", { notifications: wants });
}

// A value as it is meant; none where it claims to be encoded and is not.
function decoded(value) {
  const [, inner] = /^=\?base64\?(.*)\?=$/.exec(value ?? "") ?? [];
  if (inner === undefined) return value;
  const bytes = Buffer.from(inner, "base64");
  return bytes.toString("base64") === inner ? bytes.toString() : null;
}

// No name that was made to point here, and no web page from elsewhere.
function isLocal(request) {
  const local = (host) => ["localhost", "127.0.0.1", "[::1]"].includes(host);
  const { host, origin } = request.headers;
  return local(URL.parse(`http://${host}`)?.hostname) && (!origin || local(URL.parse(origin)?.hostname));
}

const server = createServer((request, response) => {
  if (!isLocal(request)) {
    response.writeHead(403);
    return response.end();
  }
  const parts = [];
  let size = 0;
  request.on("data", (part) => (size += part.length) <= BODY_BYTES_MAX && parts.push(part));
  request.on("end", () => {
    let message;
    if (request.method === "POST") {
      try {
        message = JSON.parse(Buffer.concat(parts).toString());
      } catch (error) {
        return json(response, 400, failed(null, new Refused(-32700, "Parse error")));
      }
    }
    const version = request.headers["mcp-protocol-version"];
    const isModern = (version ?? "") >= MODERN || message?.params?._meta?.[`${META}protocolVersion`] !== undefined
      || ["server/discover", "subscriptions/listen"].includes(message?.method);
    return isModern ? modern(request, response, message) : legacy(request, response, message);
  });
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
