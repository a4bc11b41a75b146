/* The form that publishes to a channel and shows the server's response. */
/* global errorMessage, make, statusLine, submitByEnter */

import './panel.js'

const panel = document.getElementById('publish')
const form = panel.querySelector('form')
const { channel, type, data, token } = form.elements

let sending = false

form.addEventListener('submit', async event => {
  event.preventDefault()
  if (sending) return
  sending = true
  setState('connecting', 'Sent', 'Waiting for the response.')
  try {
    const response = await publish()
    const body = await response.text()
    if (response.ok) setState('done', statusLine(response), 'The ID is ', make('code', '', JSON.parse(body).id))
    else setState('failed', statusLine(response), errorMessage(body) ?? body)
  } catch (error) {
    setState('failed', 'No response', error.message)
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

function setState (state, name, ...sentence) {
  panel.dataset.state = state
  panel.classList.toggle('bad', state === 'failed')
  panel.querySelector('.state').textContent = name
  panel.querySelector('.says').replaceChildren(...sentence)
}
