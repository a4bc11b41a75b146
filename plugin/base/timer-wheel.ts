import { setImmediate } from 'node:timers'
import { ListNode } from './linked-list.ts'

/** Milliseconds of one slot; with the ring below, a round takes 25.6 s, so most heartbeats fit into one. */
const SLOT = 50
const SLOTS = 512
/** Alarms that ring before the event loop gets a turn: one or two milliseconds of heartbeats. */
const GROUP = 128

/** The longest that `setTimeout` takes; after it the wheel looks what is left. */
const LONGEST = 2 ** 31 - 1

/**
 * Something the wheel can ring. It rings once; to ring again, it is set again. A base class and not a part, so that
 * an open stream needs no further object for its timers.
 */
export abstract class WheelTimer extends ListNode {
  /** When it rings, on the clock of `performance.now()`; Infinity while it is not set. Written by the wheel only. */
  dueAt = Infinity

  abstract fire (now: number): void
}

/**
 * One timer for all heartbeats and deadlines of all streams.
 *
 * Time is cut into slots of 50 ms that lie on a ring. An alarm hangs in the slot of its moment; one that is more than
 * a round away is passed over when its slot comes by. The timer sleeps until the next slot that holds any. Setting
 * and clearing cost the same however many alarms there are. No alarm rings early; it rings at most 100 ms late, unless
 * the process itself is busy. When very many are due at once they ring in groups, with the event loop free between.
 */
export class TimerWheel {
  readonly #slots = Array.from({ length: SLOTS }, () => new ListNode())
  /** Alarms that were found due and have not rung yet. */
  readonly #due = new ListNode()
  #size = 0
  /** The first slot, counted from the clock's zero, whose time has not come. */
  #next = 0
  #timer: NodeJS.Timeout | undefined
  /** When the timer wakes; Infinity without one. */
  #wakeAt = Infinity

  /** How many alarms are set. */
  get size (): number {
    return this.#size
  }

  /** Has the alarm ring at `dueAt`, or soon where that has passed. An alarm that was set is moved. Infinity clears it. */
  set (alarm: WheelTimer, dueAt: number): void {
    this.clear(alarm)
    if (dueAt === Infinity) return
    // Nothing has turned the wheel while it was empty.
    if (this.#size === 0) this.#next = slotAfter(performance.now())
    const slot = Math.max(slotAfter(dueAt), this.#next)
    alarm.dueAt = dueAt
    this.#slots[slot % SLOTS]!.append(alarm)
    this.#size++
    this.#sleepUntil(slot * SLOT)
  }

  /** Forgets the alarm, if it is set. */
  clear (alarm: WheelTimer): void {
    if (alarm.dueAt === Infinity) return
    alarm.unlink()
    alarm.dueAt = Infinity
    this.#size--
    if (this.#size === 0) this.#stop()
  }

  #sleepUntil (time: number): void {
    if (time >= this.#wakeAt) return
    this.#stop()
    this.#wakeAt = time
    const delay = Math.min(time - performance.now(), LONGEST)
    // The process may exit when nothing else keeps it.
    this.#timer = setTimeout(() => this.#turn(), delay).unref()
  }

  #stop (): void {
    clearTimeout(this.#timer)
    this.#wakeAt = Infinity
  }

  #turn (): void {
    this.#stop()
    const now = performance.now()
    this.#collect(now)
    for (let rung = 0; rung < GROUP && this.#due.after !== this.#due; rung++) {
      const alarm = this.#due.after as WheelTimer
      this.clear(alarm)
      alarm.fire(now)
    }
    if (this.#due.after !== this.#due) setImmediate(() => this.#turn())
    else this.#sleep()
  }

  /** Moves what is due out of the slots whose time has come. */
  #collect (now: number): void {
    const end = Math.floor(now / SLOT) + 1
    // After a pause of more than a round, such as a machine's sleep, once around finds all.
    for (let slot = Math.max(this.#next, end - SLOTS); slot < end; slot++) {
      const head = this.#slots[slot % SLOTS]!
      for (let link = head.after; link !== head;) {
        const alarm = link as WheelTimer
        link = link.after
        if (alarm.dueAt > now) continue
        alarm.unlink()
        this.#due.append(alarm)
      }
    }
    this.#next = Math.max(this.#next, end)
  }

  /** Sets the timer for the next slot that holds any alarm. */
  #sleep (): void {
    if (this.#size === 0) return
    let slot = this.#next
    while (this.#slots[slot % SLOTS]!.after === this.#slots[slot % SLOTS]) slot++
    this.#sleepUntil(slot * SLOT)
  }
}

/** The first slot that begins at a time or after it: what hangs there is never early. */
function slotAfter (time: number): number {
  return Math.ceil(time / SLOT)
}
