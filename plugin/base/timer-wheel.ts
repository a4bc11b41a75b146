import { setImmediate } from 'node:timers'
import { currentTime, timerFired } from './clock.ts'
import { ListNode } from './linked-list.ts'
import { warnOf } from './logging.ts'
import { MAX_DELAY } from './option-checks.ts'

/** Milliseconds per slot. With 512 slots, one round takes 25.6 s, which is longer than most heartbeat intervals. */
const SLOT = 50
const SLOTS = 512
/** How many timers fire per turn of the event loop. If each of them sends a heartbeat, that takes 1 to 2 ms. */
const BATCH = 128

/**
 * A timer that fires once each time it is set. It is a base class, so that an open stream needs no extra object for its
 * timers.
 */
export abstract class WheelTimer extends ListNode {
  /** When the timer is due, on the clock of `currentTime()`; Infinity while it is not set. Only the wheel writes it. */
  dueAt = Infinity
  /** Whether the process stays alive until the timer fires or is cleared. Must not change while the timer is set. */
  keepsAlive = false

  /** Called when the timer is due. Must not throw. @param now the time of `currentTime()` */
  abstract fire (now: number): void
}

/**
 * One Node.js timer for the heartbeats and deadlines of all streams: a hashed timing wheel.
 *
 * Time is divided into slots of 50 ms, which form a ring. A timer waits in the slot in which it is due. One that is due
 * more than a round later is skipped until its round comes. The wheel sleeps until the next slot that contains a timer.
 *
 * Setting and clearing a timer takes constant time. A timer never fires early, and fires at most 100 ms late unless the
 * event loop is blocked. When many timers are due at once, they fire in batches, and the event loop runs in between. After
 * the event loop was blocked, they fire only once pending input and output have been processed.
 *
 * The wheel keeps the process alive only while it contains a timer with `keepsAlive`.
 */
export class TimerWheel {
  readonly #slots = Array.from({ length: SLOTS }, () => new ListNode())
  /** When the last timer of each slot is due. A timer that is alone in its slot fires on time, as tests with fake timers expect. */
  readonly #wakeTimes = new Float64Array(SLOTS)
  /** Timers that are due and have not fired yet. */
  readonly #due = new ListNode()
  #size = 0
  /** How many of the timers keep the process alive. */
  #keptAliveBy = 0
  /** The first slot that is still in the future, counted from time 0. */
  #next = 0
  #timer: NodeJS.Timeout | undefined
  /** The functions that set and clear `#timer`. A test may start or stop faking timers while it is set. */
  #setTimeout = setTimeout
  #clearTimeout = clearTimeout
  /** When the Node.js timer fires; Infinity while there is none. */
  #wakeAt = Infinity

  /** The number of timers that are set. */
  get size (): number {
    return this.#size
  }

  /**
   * Sets a timer, which may be set already.
   *
   * @param dueAt when it fires; if that time has passed, it fires soon, and Infinity clears it
   */
  set (timer: WheelTimer, dueAt: number): void {
    this.clear(timer)
    if (dueAt === Infinity) return
    // An empty wheel does not turn, so `#next` may be in the past.
    if (this.#size === 0) this.#next = slotAt(currentTime())
    let slot = slotAt(dueAt)
    let wakeAt = dueAt
    if (slot <= this.#next) {
      const now = currentTime()
      // Time goes back when a test starts or stops faking it.
      this.#next = Math.min(this.#next, slotAt(now))
      slot = Math.max(slot, this.#next)
      // A timer that is set to the past whenever it fires must not keep the CPU busy.
      if (dueAt <= now) wakeAt = slot * SLOT
    }
    const head = this.#slots[slot % SLOTS]!
    this.#wakeTimes[slot % SLOTS] = head.next === head ? wakeAt : Math.max(this.#wakeTimes[slot % SLOTS]!, wakeAt)
    timer.dueAt = dueAt
    head.append(timer)
    this.#size++
    if (timer.keepsAlive) this.#keepAlive(this.#keptAliveBy + 1)
    this.#wakeBy(this.#wakeTimeOf(slot))
  }

  /** When the timers of a slot fire: at its end, or with its last timer if that is earlier. It may be due in a later round. */
  #wakeTimeOf (slot: number): number {
    return Math.min(this.#wakeTimes[slot % SLOTS]!, slot * SLOT)
  }

  /** Clears a timer, which may be cleared already. */
  clear (timer: WheelTimer): void {
    if (timer.dueAt === Infinity) return
    timer.unlink()
    timer.dueAt = Infinity
    this.#size--
    if (timer.keepsAlive) this.#keepAlive(this.#keptAliveBy - 1)
    if (this.#size === 0) this.#stop()
  }

  /** Makes sure that the wheel turns at the given time or earlier. */
  #wakeBy (time: number): void {
    if (time >= this.#wakeAt) {
      if (setTimeout === this.#setTimeout) return
      time = this.#wakeAt
    }
    this.#stop()
    // A wheel that turns early waits for the remaining time.
    const now = currentTime()
    const delay = Math.min(Math.max(Math.ceil(time - now), 0), MAX_DELAY)
    this.#wakeAt = time
    this.#setTimeout = setTimeout
    this.#clearTimeout = clearTimeout
    this.#timer = setTimeout(() => this.#wake(now + delay), delay)
    this.#keepAlive(this.#keptAliveBy)
  }

  #keepAlive (timers: number): void {
    this.#keptAliveBy = timers
    if (timers > 0) this.#timer?.ref()
    else this.#timer?.unref()
  }

  #stop (): void {
    this.#clearTimeout.call(undefined, this.#timer)
    this.#timer = undefined
    this.#wakeAt = Infinity
  }

  /** After the event loop was blocked, what peers have read and sent meanwhile has to be processed before timers fire. */
  #wake (dueAt: number): void {
    timerFired(dueAt)
    if (currentTime() <= this.#wakeAt + 2 * SLOT) this.#turn()
    else setImmediate(() => this.#turn())
  }

  #turn (): void {
    this.#stop()
    const now = currentTime()
    this.#collectDue(now)
    for (let fired = 0; fired < BATCH && this.#due.next !== this.#due; fired++) {
      const timer = this.#due.next as WheelTimer
      this.clear(timer)
      try {
        timer.fire(now)
      } catch (error) {
        warnOf(error, 'A timer threw')
      }
    }
    if (this.#due.next !== this.#due) setImmediate(() => this.#turn())
    else this.#wakeAtNextTimer()
  }

  /** Moves timers that are due from the slots of the past to `#due`. */
  #collectDue (now: number): void {
    const end = slotAt(now) + 1
    // After a pause of more than a round, for example because the machine slept, one round visits every slot.
    for (let slot = Math.max(this.#next, end - SLOTS); slot < end; slot++) {
      const head = this.#slots[slot % SLOTS]!
      for (let node = head.next; node !== head;) {
        const timer = node as WheelTimer
        node = node.next
        if (timer.dueAt > now) continue
        timer.unlink()
        this.#due.append(timer)
      }
    }
    this.#next = Math.max(this.#next, Math.floor(now / SLOT) + 1)
  }

  /** Turns the wheel again at the next slot that contains a timer. */
  #wakeAtNextTimer (): void {
    if (this.#size === 0) return
    let slot = this.#next
    while (this.#slots[slot % SLOTS]!.next === this.#slots[slot % SLOTS]) slot++
    this.#wakeBy(this.#wakeTimeOf(slot))
  }
}

/** The first slot that starts at or after a time: a timer in it never fires early. */
function slotAt (time: number): number {
  return Math.ceil(time / SLOT)
}
