// Work that goes on once its call is answered: the tasks extension of 2026-07-28, and the tools that the conformance suite asks for there.

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { Refused, ask, name, needs, text } from "./needs.mjs";

export const TASKS = "io.modelcontextprotocol/tasks";
const TTL_MS = 10 * 60 * 1000;
const POLL_MS = 100;

const tasks = new Map();

// One piece of work: how far it is, and what it waits for. What has ended stays as it has ended.
class Task {
  constructor() {
    Object.assign(this, { taskId: randomUUID(), createdAt: new Date().toISOString(), given: {}, stop: new AbortController() });
    this.become("working");
  }
  become(status, more = {}) {
    if (["completed", "failed", "cancelled"].includes(this.state?.status)) return;
    this.state = { status, lastUpdatedAt: new Date().toISOString(), ...more };
  }
  told() {
    return { taskId: this.taskId, createdAt: this.createdAt, ttlMs: TTL_MS, pollIntervalMs: POLL_MS, ...this.state };
  }
  sleep(seconds) {
    return pause(seconds * 1000, undefined, { signal: this.stop.signal });
  }
  // Waits until the client has answered each of these, in as many messages as it likes.
  needs(inputRequests) {
    this.become("input_required", { inputRequests });
    return new Promise((resolve) => (this.resume = resolve));
  }
  answered(responses) {
    const { inputRequests = {} } = this.state;
    const open = Object.entries(inputRequests).filter(([key, asked]) => {
      if (!Object.hasOwn(responses ?? {}, key)) return true;
      this.given[key] = responses[key];
    });
    if (open.length > 0) return this.become("input_required", { inputRequests: Object.fromEntries(open) });
    this.become("working");
    this.resume?.(this.given);
  }
  cancel() {
    this.become("cancelled");
    this.stop.abort();
  }
  async run(job, call) {
    try {
      this.become("completed", { result: await job(this, call.params.arguments ?? {}, call) });
    } catch ({ code = -32603, message }) {
      this.become("failed", { error: { code, message } });
    }
  }
}

// What is done in a task. A tool that fails has completed; one that breaks has failed.
const JOBS = {
  async slow_compute(task, { seconds = 1, label }) {
    await task.sleep(seconds);
    return { content: [text(`Computed for ${seconds} s: ${label}`)] };
  },
  async failing_job(task) {
    await task.sleep(1);
    return { isError: true, content: [text("This job always fails.")] };
  },
  async protocol_error_job() {
    throw new Refused(-32603, "This job always breaks.");
  },
  async confirm_delete(task, { filename }) {
    const { sure } = await task.needs({ sure: ask(`Delete ${filename}?`, { confirm: { type: "boolean" } }) });
    return { content: [text(sure.content?.confirm ? `Deleted ${filename}.` : `Kept ${filename}.`)] };
  },
  async multi_input(task) {
    const { one, other } = await task.needs({ one: ask("What is your name?", name), other: ask("And theirs?", name) });
    return { content: [text(`${one.content?.name} and ${other.content?.name}`)] };
  },
  async test_tool_with_task(task, _, call) {
    return { content: [text(`Hello, ${call.params.inputResponses.user_name.content?.name}!`)] };
  },
};
// What has to be known before there is a task, and what can be waited for in the call itself.
const BEFORE = { test_tool_with_task: { user_name: ask("What is your name?", name) } };
const ALSO_WITHOUT = ["slow_compute"];

const takesTasks = (call) => call.capabilities?.extensions?.[TASKS] !== undefined;
const missing = () => new Refused(-32021, "tasks are needed", { requiredCapabilities: { extensions: { [TASKS]: {} } } });

function begun(tool, call) {
  const job = JOBS[tool];
  const task = new Task();
  if (!takesTasks(call)) {
    if (ALSO_WITHOUT.includes(tool)) return job(task, call.params.arguments ?? {}, call);
    throw missing();
  }
  const wants = needs(call, BEFORE[tool] ?? {});
  if (wants) return wants;
  tasks.set(task.taskId, task);
  setTimeout(() => tasks.delete(task.taskId), TTL_MS).unref();
  task.run(job, call);
  // what it waits for is for tasks/get to tell
  const { inputRequests, ...made } = task.told();
  return { resultType: "task", ...made };
}

export const jobs = Object.fromEntries(Object.keys(JOBS).map((tool) => [tool, (call) => begun(tool, call)]));

// The task that a request is about.
export function taskOf(call) {
  if (!takesTasks(call)) throw missing();
  const task = tasks.get(call.params.taskId);
  if (!task) throw new Refused(-32602, "Unknown task");
  return task;
}
