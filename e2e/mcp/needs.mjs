// What a server says where it has no answer yet: that it refuses, or what it still needs of its client.

import { createHmac, timingSafeEqual } from "node:crypto";

export const text = (said) => ({ type: "text", text: said });

export class Refused extends Error {
  constructor(code, message, data) {
    super(message);
    Object.assign(this, { code, data });
  }
}

export const ask = (message, properties, required = Object.keys(properties)) => ({
  method: "elicitation/create",
  params: { message, requestedSchema: { type: "object", properties, required } },
});
export const sample = (prompt, maxTokens) => ({
  method: "sampling/createMessage",
  params: { messages: [{ role: "user", content: text(prompt) }], maxTokens },
});
export const roots = { method: "roots/list", params: {} };
export const name = { name: { type: "string" } };

// A state that nobody else can have made.
const sealed = (state) => `${state}.${createHmac("sha256", "of this run alone").update(state).digest("hex")}`;
export function opened(sealedState) {
  const state = String(sealedState ?? "").split(".")[0];
  const [ours, theirs] = [Buffer.from(sealed(state)), Buffer.from(String(sealedState))];
  if (ours.length !== theirs.length || !timingSafeEqual(ours, theirs)) {
    throw new Refused(-32602, "requestState is not ours");
  }
  return state;
}

// What a call still needs of the client; null once everything is there.
export function needs(call, requests, state) {
  const given = call.params.inputResponses ?? {};
  const can = call.capabilities;
  const kind = { "elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots" };
  const asked = Object.entries(requests).filter(([key, request]) => {
    const has = given[key] !== null && typeof given[key] === "object" && !Array.isArray(given[key]);
    return !has && (can === null || kind[request.method] in can);
  });
  if (asked.length === 0) return null;
  const answer = { resultType: "input_required", inputRequests: Object.fromEntries(asked) };
  return state === undefined ? answer : { ...answer, requestState: sealed(state) };
}
