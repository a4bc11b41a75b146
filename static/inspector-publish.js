/* The form that publishes to a channel, and shows what the server answers. */
/* global make, messageIn, statusOf, submitByEnter */

import './panel.js'

const panel = document.getElementById('publish')
const form = panel.querySelector('form')
const { channel, type, data, token } = form.elements

let sending = false

form.addEventListener('submit', async event => {
  event.preventDefault()
  if (sending) return
  sending = true
  tell('connecting', 'Sent', 'Waiting for the answer.')
  try {
    const response = await publish()
    const answer = await response.text()
    if (response.ok) tell('done', statusOf(response), 'The id is ', make('code', '', JSON.parse(answer).id))
    else tell('failed', statusOf(response), messageIn(answer) ?? answer)
  } catch (error) {
    tell('failed', 'No answer', error.message)
  }
  sending = false
})

submitByEnter(data)

function publish () {
  const headers = { 'content-type': 'application/json' }
  if (token.value !== '') headers.authorization = `Bearer ${token.value}`
  const body = JSON.stringify({ data: data.value, event: type.value === '' ? undefined : type.value })
  return fetch(`channels/${encodeURIComponent(channel.value)}`, { method: 'POST', headers, body })
}

function tell (state, word, ...sentence) {
  panel.dataset.state = state
  panel.classList.toggle('bad', state === 'failed')
  panel.querySelector('.state').textContent = word
  panel.querySelector('.says').replaceChildren(...sentence)
}
