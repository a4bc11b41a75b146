import t from 'tap'
import { isErrorReply, isOutage, isUnavailableServer, isUnknownScript, reasonOf, toBrokerError } from '../../plugin/redis/error-classification.ts'
import { SSE_ERR_BROKER_BUSY, SSE_ERR_BROKER_UNAVAILABLE, SSE_ERR_BROKER_UNKNOWN } from '../../plugin/redis/errors.ts'

for (const message of ['READONLY You can\'t write against a read only replica.', 'LOADING Redis is loading the dataset in memory', 'BUSY Redis is busy running a script.', 'MOVED 8192 127.0.0.1:7001', 'ASK 8192 127.0.0.1:7001', 'TRYAGAIN Multiple keys request during rehashing of slot', 'CLUSTERDOWN Hash slot not served', 'MASTERDOWN Link with MASTER is down']) {
  t.test(`“${message}” means that the server is unavailable`, async t => {
    t.equal(isUnavailableServer(new Error(message)), true)
    t.equal(isErrorReply(new Error(message)), true)
  })
}

t.test('other error replies do not concern the server', async t => {
  const error = new Error('WRONGTYPE Operation against a key holding the wrong kind of value')
  t.equal(isUnavailableServer(error), false)
  t.equal(isErrorReply(error), true)
  t.equal(isErrorReply(new Error('read ECONNRESET')), false)
  t.equal(isErrorReply(new Error('Socket closed unexpectedly')), false)
})

t.test('a missing script is recognized', async t => {
  t.equal(isUnknownScript(new Error('NOSCRIPT No matching script. Please use EVAL.')), true)
  t.equal(isUnknownScript(new Error('ERR NOSCRIPT')), false)
})

t.test('a lost or missing connection is an outage', async t => {
  t.equal(isOutage(new SSE_ERR_BROKER_UNAVAILABLE('away')), true)
  t.equal(isOutage(new SSE_ERR_BROKER_UNKNOWN('away')), true)
  t.equal(isOutage(new SSE_ERR_BROKER_BUSY()), false)
  t.equal(isOutage(new Error('ERR unknown command')), false)
})

t.test('an error reply becomes SSE_ERR_BROKER_UNAVAILABLE, and an error with a code stays the same', async t => {
  const reply = new Error('OOM command not allowed')
  t.match(toBrokerError(reply), { code: 'SSE_ERR_BROKER_UNAVAILABLE', statusCode: 503, message: 'Redis is unavailable', detail: 'OOM command not allowed', cause: reply })
  const busy = new SSE_ERR_BROKER_BUSY()
  t.equal(toBrokerError(busy), busy)
})

t.test('the reason is the message, or the code if there is no message', async t => {
  t.equal(reasonOf(new Error('read ECONNRESET')), 'read ECONNRESET')
  t.equal(reasonOf(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })), 'ECONNREFUSED')
})
