import { SSE_ERR_OPTION } from '../base/errors.ts'
import { BackgroundResponse } from './background-response.ts'
import { buildRequest, type ModelRequest } from './build-request.ts'
import { DeltaStream } from './delta-stream.ts'
import type { ModelDelta } from './model-delta.ts'
import { ModelError } from './model-error.ts'
import { resolveModelOptions, resolveResponsesOptions, type ModelOptions, type ModelSettings, type ResponsesOptions } from './options.ts'
import { DeltaWriter } from './protocols/delta-writer.ts'
import { openaiResponses } from './protocols/openai-responses.ts'
import type { Protocol } from './protocols/protocol.ts'
import { resumeDelay, retryDelay } from './retry-delay.ts'
import { dispatcherOf, UpstreamRequest } from './upstream-request.ts'

/** Validates immediately, and sends the request when the first delta is requested. @throws SSE_ERR_OPTION */
export function streamModel (protocol: Protocol, body: object, options: ModelOptions): AsyncGenerator<ModelDelta, void, undefined> {
  const resolved = resolveModelOptions(options)
  const request = buildRequest(protocol, resolved, body)
  const mayBeSilent = protocol.sendsWholeToolCalls === true && hasTools(body) && options.idleTimeout === undefined
  const settings = mayBeSilent ? { ...resolved, idleTimeout: resolved.firstTokenTimeout } : resolved
  return new DeltaStream(settings.signal, stream => { sendWithRetries(protocol, request, settings, stream) })
}

/** Like `streamModel`, for Responses. With the option `resume`, a cut answer continues on another connection. @throws SSE_ERR_OPTION */
export function streamOpenaiResponses (body: object, options: ResponsesOptions): AsyncGenerator<ModelDelta, void, undefined> {
  const { resume, ...settings } = resolveResponsesOptions(options)
  const request = buildRequest(openaiResponses, settings, body)
  if (!resume) return new DeltaStream(settings.signal, stream => { sendWithRetries(openaiResponses, request, settings, stream) })
  if ((body as { background?: unknown }).background !== true) throw new SSE_ERR_OPTION('Option `resume` requires a body with `background: true`')
  return new DeltaStream(settings.signal, stream => { sendWithResumes(new BackgroundResponse(openaiResponses, request), settings, stream) })
}

function hasTools ({ tools }: { readonly tools?: unknown }): boolean {
  return Array.isArray(tools) && tools.length > 0
}

async function sendWithRetries (protocol: Protocol, request: ModelRequest, settings: ModelSettings, stream: DeltaStream): Promise<void> {
  for (let attempt = 0; !stream.cancelled; attempt++) {
    try {
      await new UpstreamRequest(protocol, request, settings, stream).settled
      return stream.end()
    } catch (error) {
      const delay = stream.hasPushed || !(error instanceof ModelError) ? undefined : retryDelay(error, attempt, settings)
      if (delay === undefined) return stream.fail(error)
      await pause(delay, stream)
    }
  }
}

/** Before the response is created, behaves like `sendWithRetries`. */
async function sendWithResumes (response: BackgroundResponse, settings: ModelSettings, stream: DeltaStream): Promise<void> {
  const writer = new DeltaWriter(delta => { stream.push(delta) })
  /** The first error since the last event. */
  let interruption: unknown
  for (let attempt = 0; ; attempt++) {
    const { position } = response
    stream.hasPushed = false
    try {
      await new UpstreamRequest(response.protocol, response.nextRequest!, settings, stream, writer).settled
      break
    } catch (error) {
      if (response.position > position) attempt = 0
      if (attempt === 0 || !response.isCreated) interruption = undefined
      interruption ??= error
      const delayOf = response.isCreated ? resumeDelay : retryDelay
      const canContinue = response.isCreated ? response.nextRequest !== undefined : !stream.hasPushed
      const delay = error instanceof ModelError && canContinue ? delayOf(error, attempt, settings) : undefined
      if (delay === undefined) stream.fail(interruption)
      else await pause(delay, stream)
      if (delay === undefined || stream.cancelled) break
    }
  }
  response.cancel(dispatcherOf(settings))
  stream.end()
}

/** Resolves after a delay in milliseconds, or when the stream is cancelled. */
function pause (delay: number, stream: DeltaStream): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, delay)
    stream.onCancel = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}
