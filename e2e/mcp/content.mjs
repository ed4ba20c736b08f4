// What the server of the conformance run holds: the tools, resources and prompts that the suite asks for by name, as it describes them.

import { Refused, ask, name, needs, opened, roots, sample, text } from "./needs.mjs";
import { jobs } from "./tasks.mjs";

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

const image = { type: "image", data: PNG, mimeType: "image/png" };
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const ENUMS = {
  untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
  titledSingle: {
    type: "string",
    oneOf: [
      { const: "value1", title: "First Option" },
      { const: "value2", title: "Second Option" },
      { const: "value3", title: "Third Option" },
    ],
  },
  legacyEnum: { type: "string", enum: ["opt1", "opt2", "opt3"], enumNames: ["Option One", "Option Two", "Option Three"] },
  untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
  titledMulti: {
    type: "array",
    items: {
      anyOf: [
        { const: "value1", title: "First Choice" },
        { const: "value2", title: "Second Choice" },
        { const: "value3", title: "Third Choice" },
      ],
    },
  },
};

const DEFAULTS = {
  name: { type: "string", default: "John Doe" },
  age: { type: "integer", default: 30 },
  score: { type: "number", default: 95.5 },
  status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
  verified: { type: "boolean", default: true },
};

const SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: { $anchor: "addressDef", type: "object", properties: { street: { type: "string" }, city: { type: "string" } } },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

const completed = (said) => ({ content: [text(`Elicitation completed: action=${said.action}, content=${JSON.stringify(said.content)}`)] });

// Each takes a call: its params, its capabilities (null with sessions), and how to tell and ask the client something meanwhile.
const TOOLS = {
  test_simple_text: () => ({ content: [text("This is a simple text response for testing.")] }),
  test_image_content: () => ({ content: [image] }),
  test_audio_content: () => ({ content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] }),
  test_embedded_resource: () => ({
    content: [
      { type: "resource", resource: { uri: "test://embedded-resource", mimeType: "text/plain", text: "This is an embedded resource content." } },
    ],
  }),
  test_multiple_content_types: () => ({
    content: [
      text("Multiple content types test:"),
      image,
      { type: "resource", resource: { uri: "test://mixed-content-resource", mimeType: "application/json", text: '{"test":"data","value":123}' } },
    ],
  }),
  async test_tool_with_logging(call) {
    for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
      call.log(data);
      await pause(50);
    }
    return { content: [text("Logged.")] };
  },
  test_error_handling: () => ({ isError: true, content: [text("This tool intentionally returns an error for testing")] }),
  async test_tool_with_progress(call) {
    const progressToken = call.params._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined) call.tell("notifications/progress", { progressToken, progress, total: 100 });
      await pause(50);
    }
    return { content: [text("Progressed.")] };
  },
  async test_sampling(call) {
    const said = await call.ask(sample(call.params.arguments?.prompt ?? "", 100));
    return { content: [text(`LLM response: ${said.content?.text}`)] };
  },
  async test_elicitation(call) {
    const asked = ask(call.params.arguments?.message ?? "", {
      username: { type: "string", description: "User's response" },
      email: { type: "string", description: "User's email address" },
    });
    const said = await call.ask(asked);
    return { content: [text(`User response: action=${said.action}, content=${JSON.stringify(said.content)}`)] };
  },
  test_elicitation_sep1034_defaults: async (call) => completed(await call.ask(ask("Fill this in", DEFAULTS, []))),
  test_elicitation_sep1330_enums: async (call) => completed(await call.ask(ask("Choose", ENUMS, []))),
  async test_reconnection(call) {
    call.hangUp();
    await pause(100);
    return { content: [text("Reconnection test completed")] };
  },
  json_schema_2020_12_tool: () => ({ content: [text("Checked.")] }),
  test_missing_capability(call) {
    if (!call.capabilities?.sampling) {
      throw new Refused(-32021, "sampling is needed", { requiredCapabilities: { sampling: {} } });
    }
    return { content: [text("It is there.")] };
  },
  test_streaming_elicitation: (call) => needs(call, { user_name: ask("What is your name?", name) }) ?? { content: [text("Asked.")] },
  test_logging_tool(call) {
    call.log("logged");
    return { content: [text("Logged.")] };
  },
  test_trigger_tool_change(call) {
    call.changed("tools");
    return { content: [text("Changed.")] };
  },
  test_trigger_prompt_change(call) {
    call.changed("prompts");
    return { content: [text("Changed.")] };
  },
  test_input_required_result_elicitation: (call) =>
    needs(call, { user_name: ask("What is your name?", name) }) ?? {
      content: [text(`Hello, ${call.params.inputResponses?.user_name?.content?.name}!`)],
    },
  test_input_required_result_sampling: (call) =>
    needs(call, { capital_question: sample("What is the capital of France?", 100) }) ?? {
      content: [text(String(call.params.inputResponses?.capital_question?.content?.text))],
    },
  test_input_required_result_list_roots: (call) =>
    needs(call, { client_roots: roots }) ?? { content: [text(JSON.stringify(call.params.inputResponses?.client_roots?.roots))] },
  test_input_required_result_request_state(call) {
    const wants = needs(call, { confirm: ask("Please confirm", { ok: { type: "boolean" } }) }, "confirm");
    if (wants) return wants;
    opened(call.params.requestState);
    return { content: [text("state-ok")] };
  },
  test_input_required_result_multiple_inputs: (call) =>
    needs(
      call,
      { user_name: ask("What is your name?", name), greeting: sample("Generate a greeting", 50), client_roots: roots },
      "multiple",
    ) ?? { content: [text("All of it is there.")] },
  test_input_required_result_multi_round(call) {
    const state = call.params.requestState === undefined ? "0" : opened(call.params.requestState);
    const first = { step1: ask("Step 1: What is your name?", name) };
    const second = { step2: ask("Step 2: What is your favorite color?", { color: { type: "string" } }) };
    if (state === "0") return needs(call, first, "1");
    if (state === "1") return needs(call, first, "1") ?? needs(call, second, "2");
    return needs(call, second, "2") ?? { content: [text("Both rounds are done.")] };
  },
  test_input_required_result_tampered_state(call) {
    if (call.params.requestState !== undefined) opened(call.params.requestState);
    return needs(call, { confirm: ask("Please confirm", { ok: { type: "boolean" } }) }, "tampered") ?? { content: [text("state-ok")] };
  },
  test_input_required_result_capabilities: (call) =>
    needs(call, { user_name: ask("What is your name?", name), greeting: sample("Generate a greeting", 50), client_roots: roots }) ?? {
      content: [text("Nothing more is needed.")],
    },
  greet: ({ params }) => ({ content: [text(`Hello, ${params.arguments?.name}!`)] }),
  test_header_param: ({ params }) => ({ content: [text(`In ${params.arguments?.region}.`)] }),
  ...jobs,
};

const argument = (key) => ({ type: "object", properties: { [key]: { type: "string" } }, required: [key] });
const SCHEMAS = {
  json_schema_2020_12_tool: SCHEMA,
  test_sampling: argument("prompt"),
  test_elicitation: argument("message"),
  greet: argument("name"),
  test_header_param: { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } },
  slow_compute: { type: "object", properties: { seconds: { type: "number" }, label: { type: "string" } } },
  confirm_delete: argument("filename"),
};

export const tools = Object.keys(TOOLS).map((tool) => ({
  name: tool,
  description: `Of the conformance suite: ${tool}`,
  inputSchema: SCHEMAS[tool] ?? { type: "object", properties: {} },
}));

// The headers that must repeat an argument of this call, each with the argument.
export function repeated(params) {
  const properties = SCHEMAS[params.name]?.properties ?? {};
  const those = Object.entries(properties).filter(([, schema]) => schema["x-mcp-header"]);
  return those.map(([key, schema]) => [`mcp-param-${schema["x-mcp-header"].toLowerCase()}`, params.arguments?.[key]]);
}

export function callTool(call) {
  const tool = TOOLS[call.params?.name];
  if (!tool) throw new Refused(-32602, `Unknown tool: ${call.params?.name}`);
  return tool(call);
}

export const resources = ["static-text", "static-binary", "watched-resource"].map((resource) => ({
  uri: `test://${resource}`,
  name: resource,
  description: `Of the conformance suite: ${resource}`,
  mimeType: resource === "static-binary" ? "image/png" : "text/plain",
}));
export const templates = [
  { uriTemplate: "test://template/{id}/data", name: "template", description: "Of the conformance suite", mimeType: "application/json" },
];

export function read(uri, modern) {
  if (uri === "test://static-text") return [{ uri, mimeType: "text/plain", text: "This is the content of the static text resource." }];
  if (uri === "test://static-binary") return [{ uri, mimeType: "image/png", blob: PNG }];
  if (uri === "test://watched-resource") return [{ uri, mimeType: "text/plain", text: "Watched." }];
  const [, id] = /^test:\/\/template\/([^/]+)\/data$/.exec(uri) ?? [];
  if (id) {
    return [{ uri, mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }];
  }
  throw new Refused(modern ? -32602 : -32002, "Resource not found", { uri });
}

const said = (...content) => ({ messages: content.map((one) => ({ role: "user", content: one })) });
const PROMPTS = {
  test_simple_prompt: () => said(text("This is a simple prompt for testing.")),
  test_prompt_with_arguments: ({ arguments: given }) => said(text(`Prompt with arguments: arg1='${given?.arg1}', arg2='${given?.arg2}'`)),
  test_prompt_with_embedded_resource: ({ arguments: given }) =>
    said(
      { type: "resource", resource: { uri: given?.resourceUri, mimeType: "text/plain", text: "Embedded resource content for testing." } },
      text("Please process the embedded resource above."),
    ),
  test_prompt_with_image: () => said(image, text("Please analyze the image above.")),
  test_input_required_result_prompt: (_, call) =>
    needs(call, { user_context: ask("What context should the prompt use?", { context: { type: "string" } }) }) ?? said(text("With context.")),
};
const ARGUMENTS = {
  test_prompt_with_arguments: ["arg1", "arg2"],
  test_prompt_with_embedded_resource: ["resourceUri"],
};

export const prompts = Object.keys(PROMPTS).map((prompt) => ({
  name: prompt,
  description: `Of the conformance suite: ${prompt}`,
  arguments: (ARGUMENTS[prompt] ?? []).map((key) => ({ name: key, description: "An argument", required: true })),
}));

export function prompt(call) {
  const made = PROMPTS[call.params?.name];
  if (!made) throw new Refused(-32602, `Unknown prompt: ${call.params?.name}`);
  return made(call.params, call);
}
