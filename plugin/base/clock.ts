// Tests replace these with fakes. Monitoring tools also replace `setTimeout`, with a wrapper that is not fake.
const { Date: RealDate, setTimeout: realSetTimeout } = globalThis
const realNow = performance.now
const RealTimeout = createdBy(realSetTimeout)

/** What is added to `performance.now()`: 0 unless time was fake. */
let offset = 0
/** The replaced `setTimeout` that was seen last, and whether it is fake. */
let replacedBy: typeof setTimeout | undefined
let isFake = false
/** The time while `setTimeout` is fake, and the `Date` when it was last read. */
let fakeTime = 0
let date = 0

/**
 * The time for heartbeats, deadlines and the age of entries: that of `performance.now()`. If a test fakes timers but not
 * `performance`, as node:test does, it follows the test's `Date`. If `Date` is real, it advances only when a timer fires.
 */
export function currentTime (): number {
  return setTimeout === realSetTimeout || performance.now !== realNow ? performance.now() + offset : timeOfTest()
}

/** Called when a timer of Node.js fires. @param dueAt the time for which it was set */
export function timerFired (dueAt: number): void {
  if (setTimeout === realSetTimeout || performance.now !== realNow || timeOfTest() >= dueAt || !isFake) return
  fakeTime = dueAt
}

function timeOfTest (): number {
  if (setTimeout !== replacedBy) {
    replacedBy = setTimeout
    isFake = createdBy(setTimeout) !== RealTimeout
    // A whole number, so that adding delays causes no rounding error.
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
