// Tests replace these. What they replace `setTimeout` with need not be fake: monitoring wraps it as well.
const { Date: RealDate, setTimeout: realSetTimeout } = globalThis
const realNow = performance.now
const RealTimeout = createdBy(realSetTimeout)

/** What is added to `performance.now()`: 0 unless time was fake. */
let offset = 0
/** The replaced `setTimeout` that was seen last, and whether it is fake. */
let replacedBy: typeof setTimeout | undefined
let isFake = false
/** The time while `setTimeout` is fake, and that of `Date` at which it was seen. */
let fakeTime = 0
let date = 0

/**
 * The time by which heartbeats, deadlines and ages are measured: that of `performance.now()`. Where a test fakes timers and not
 * `performance`, as node:test does, it follows the test's `Date`, and where that is real, it stands still between timers.
 */
export function currentTime (): number {
  return setTimeout === realSetTimeout || performance.now !== realNow ? performance.now() + offset : timeOfTest()
}

/** Called when a timer of Node.js fires. @param dueAt for when it was set */
export function timerFired (dueAt: number): void {
  if (setTimeout === realSetTimeout || performance.now !== realNow || timeOfTest() >= dueAt || !isFake) return
  fakeTime = dueAt
}

function timeOfTest (): number {
  if (setTimeout !== replacedBy) {
    replacedBy = setTimeout
    isFake = createdBy(setTimeout) !== RealTimeout
    // A whole number, to which others are added without a rounding error.
    fakeTime = Math.ceil(performance.now() + offset)
    date = Date.now()
  }
  if (!isFake) return performance.now() + offset
  if (Date !== RealDate) {
    fakeTime += Math.max(Date.now() - date, 0)
    date = Date.now()
  }
  // When time is real again, it continues from here.
  offset = fakeTime - performance.now()
  return fakeTime
}

/** The class of the timers that a function creates. */
function createdBy (set: typeof setTimeout): unknown {
  const timer = set(() => {}, 1)
  clearTimeout(timer)
  return timer.constructor
}
