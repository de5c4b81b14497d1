// The log of issuances.

/**
 * Under load, one line tells of many of them: each call of the console costs as much as it takes to make a token's
 * claims, and where logs are stored it has a price.
 */
export class IssuanceLog {
  /** Events at most, in one line. */
  static MOST = 64;
  /** Milliseconds that the first of them waits. */
  static WAIT = 50;
  /** Milliseconds after which a timer is taken for lost: its request was cancelled. */
  static PATIENCE = 1000;
  /** Milliseconds for which they are taken to come in at one place: in an isolate, they all do. */
  static STAY = 60_000;
  /** Bytes that the events of a line have room in. One event has less than 3,000, by what its texts may have. */
  static ROOM = 32_768;

  /** Events in JSON, with a comma after each. */
  #bytes = new Uint8Array(IssuanceLog.ROOM);
  #used = 0;
  #count = 0;
  /** When a flush is due at the latest. */
  #due = 0;
  /** What comes in place of an event's last brace: where it came in. */
  #ending = new Uint8Array();
  /** When that was looked up. */
  #placed = -IssuanceLog.STAY;

  /**
   * @param {Uint8Array} event in JSON: a view of bytes that change
   * @param {import("./driver.js").Call} call that it belongs to
   */
  add(event, call) {
    // Once: each look at the clock is a call into the runtime.
    const time = Date.now();
    const more = this.#endingOf(call, time);
    const end = event.length - 1 + more.length;
    if (this.#used + end + 1 > IssuanceLog.ROOM) {
      // The console is somebody else's code, after which the view may be none.
      event = event.slice();
      this.flush();
    }
    // Decoding each of them would cost more than all of the rest.
    this.#bytes.set(event, this.#used);
    this.#bytes.set(more, this.#used + event.length - 1);
    this.#used += end;
    this.#bytes[this.#used] = COMMA;
    this.#used += 1;
    this.#count += 1;
    if (this.#count >= IssuanceLog.MOST) return this.flush();
    if (time < this.#due) return;
    // Where nobody waits for a timer, the process may be gone by then.
    if (call.context === undefined) return this.flush();
    this.#due = time + IssuanceLog.PATIENCE;
    const waited = new Promise((resolve) => setTimeout(resolve, IssuanceLog.WAIT));
    call.context.waitUntil(waited.then(() => this.flush()));
  }

  /** @param {import("./driver.js").Call} call @param {number} time */
  #endingOf(call, time) {
    if (time >= this.#placed + IssuanceLog.STAY) {
      this.#ending = new TextEncoder().encode(ending(call.location));
      // Where there is none, it costs as much to find that out.
      this.#placed = time;
    }
    return this.#ending;
  }

  flush() {
    this.#due = 0;
    const count = this.#count;
    if (count === 0) return;
    const events = decode(this.#bytes.subarray(0, this.#used - 1));
    this.#used = 0;
    this.#count = 0;
    console.log(`{"edgemint":${count === 1 ? events : `[${events}]`}}`);
  }
}

const COMMA = 0x2c;

/** What comes in place of an event's last brace. @param {string | undefined} location that it came in at */
export function ending(location) {
  return location === undefined ? "}" : `,"location":${JSON.stringify(location)}}`;
}

/** @param {Uint8Array} bytes */
export function decode(bytes) {
  return new TextDecoder().decode(bytes);
}
