// Programs that the tests start, and that end with the tests however these end.

import { spawn } from "node:child_process";

// A shell that waits for the end of a pipe held by this process, and then ends the program. A killed test run
// therefore leaves nothing behind. The first line tells the id of the program, for signals that must reach it alone.
const GUARD = `
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
echo "guarded $program"
( cat <&3 >/dev/null; kill -TERM $program 2>/dev/null ) &
wait $program
`;

/** How long a program may take to get ready or to end: a first start on a busy machine takes a good part of it. */
const PATIENCE = 60_000;

export class Program {
  /**
   * Starts `command` and waits until its output matches each of `until`.
   * @param {string[]} command
   * @param {RegExp[]} until
   * @param {Record<string, string>} [env] default: that of this process
   */
  static async start(command, until, env = process.env) {
    const program = new Program(command, env);
    for (const what of until) await program.prints(what);
    return program;
  }

  /** Everything it has printed. */
  output = "";

  constructor(command, env) {
    this.name = command.slice(0, 2).join(" ");
    this.guard = spawn("sh", ["-c", GUARD, "guard", ...command], { env, detached: true });
    this.waiting = new Set();
    const hear = (text) => {
      this.output += text;
      for (const check of this.waiting) check();
    };
    this.guard.stdout.setEncoding("utf8").on("data", hear);
    this.guard.stderr.setEncoding("utf8").on("data", hear);
    this.guard.stdin.on("error", () => {});
    this.ended = new Promise((resolve) => this.guard.once("exit", resolve)).then(() => {
      this.gone = true;
      this.guard.stdin.destroy();
      hear("");
    });
  }

  /** Waits until the output has a match of `what`, and returns it. */
  prints(what) {
    return new Promise((resolve, reject) => {
      const settle = (outcome, value) => {
        clearTimeout(timer);
        this.waiting.delete(check);
        outcome(value);
      };
      const fail = (why) => settle(reject, new Error(`${this.name} ${why} before it printed ${what}:\n${this.output}`));
      const check = () => {
        const match = what.exec(this.output);
        if (match) settle(resolve, match);
        else if (this.gone) fail("ended");
      };
      const timer = setTimeout(() => fail("took too long"), PATIENCE);
      this.waiting.add(check);
      check();
    });
  }

  get pid() {
    return Number(/^guarded (\d+)$/m.exec(this.output)?.[1]);
  }

  /** Sends a signal to the program itself and waits until it has ended. */
  async end(signal = "SIGTERM") {
    if (!this.gone) process.kill(this.pid, signal);
    await this.ended;
  }
}
