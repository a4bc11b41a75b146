const FAILURE = /error|abort|cancel|fail|malformed|unexpected|insufficient|timeout|timed.?out|overload|shutdown|exception/

/** Whether a finish reason in lower case means that the answer has failed, whatever the server calls it. */
export function isFailure (reason: string): boolean {
  return FAILURE.test(reason)
}
