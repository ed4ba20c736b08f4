// One job for the TypeScript SDK: reads it as JSON from standard input, writes the answer or the refusal as JSON.
// The first argument is the folder whose node_modules holds the SDK.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const sdk = createRequire(`${process.argv[2]}/package.json`)("@anthropic-ai/sdk");
const Anthropic = sdk.default ?? sdk;

function client(job) {
  const options = { baseURL: job.base };
  if ("max_retries" in job.options) options.maxRetries = job.options.max_retries;
  if (job.credential === "x-api-key") options.defaultHeaders = { "X-Api-Key": job.token };
  else options[job.credential === "api_key" ? "apiKey" : "authToken"] = job.token;
  return new Anthropic(options);
}

const question = (job) => ({ model: job.model, messages: [{ role: "user", content: job.prompt }] });

const reply = (message, events, requestId) => ({
  text: message.content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join(""),
  model: message.model,
  input_tokens: message.usage.input_tokens,
  output_tokens: message.usage.output_tokens,
  stop_reason: message.stop_reason,
  events,
  request_id: requestId ?? null,
});

async function act(job) {
  const claude = client(job);
  if (job.do === "models") {
    const ids = [];
    for await (const model of claude.models.list()) ids.push(model.id);
    return ids;
  }
  if (job.do === "count") return (await claude.messages.countTokens(question(job))).input_tokens;
  if (job.do === "message") {
    const message = await claude.messages.create({ max_tokens: 256, ...question(job) });
    return reply(message, [], message._request_id);
  }
  const events = [];
  const stream = claude.messages.stream({ max_tokens: 256, ...question(job) });
  stream.on("streamEvent", (event) => {
    if (events.at(-1) !== event.type) events.push(event.type);
  });
  return reply(await stream.finalMessage(), events, stream.request_id);
}

const refusal = (error) => ({
  name: error.constructor.name,
  status: error.status ?? null,
  kind: error.error?.error?.type ?? null,
  message: error.error?.error?.message ?? error.message,
});

const job = JSON.parse(readFileSync(0, "utf8"));
let said;
try {
  said = { answer: await act(job) };
} catch (error) {
  if (!(error instanceof Anthropic.APIError)) throw error;
  said = { refused: refusal(error) };
}
process.stdout.write(JSON.stringify(said));
