// One job with the official TypeScript SDK at a connector: negotiate, list the tools, call one, read a resource, get a prompt. Prints JSON.
// Arguments: the folder of the packages, address, tool, `auto` or `legacy`, and at all connectors as one the prefix of the one that is meant.
// The credential stands in the environment, as BEARER.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [packages, url, tool, mode, prefix] = process.argv.slice(2);
const found = createRequire(pathToFileURL(`${packages}/`)).resolve("@modelcontextprotocol/client");
const sdk = await import(pathToFileURL(found));
const { Client, StreamableHTTPClientTransport } = sdk.Client ? sdk : sdk.default;

const headers = { Authorization: `Bearer ${process.env.BEARER}` };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: "job", version: "1" }, { versionNegotiation: { mode } });
await client.connect(transport);
const listed = await client.listTools();
const called = await client.callTool({ name: tool, arguments: {} });
const read = await client.readResource({ uri: prefix ? `${prefix}+test://static-text` : "test://static-text" });
const prompt = await client.getPrompt({ name: prefix ? `${prefix}_test_simple_prompt` : "test_simple_prompt" });
console.log(
  JSON.stringify({
    version: client.getNegotiatedProtocolVersion(),
    tools: listed.tools.map((one) => one.name),
    said: called.content[0].text,
    read: read.contents[0].text,
    prompt: prompt.messages[0].content.text,
  }),
);
await client.close();
