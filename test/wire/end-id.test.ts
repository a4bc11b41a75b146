import t from 'tap'
import { END_ID } from '../../plugin/wire/end-id.ts'
import { isId } from '../../plugin/wire/event-id.ts'

t.test('the id of the end is not the id of a published event', async t => {
  t.equal(isId(END_ID), false)
})

t.test('a page can send the id of the end to another origin without a preflight', async t => {
  // Fetch standard, "CORS-unsafe request-header byte".
  t.match(END_ID, /^[!#-'*-9;=A-Z^-z|~]{1,128}$/)
})
