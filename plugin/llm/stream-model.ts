import { buildRequest, type ModelRequest } from './build-request.ts'
import { DeltaStream } from './delta-stream.ts'
import type { ModelDelta } from './model-delta.ts'
import { ModelError } from './model-error.ts'
import { resolveModelOptions, type ModelOptions, type ModelSettings } from './options.ts'
import type { Protocol } from './protocols/protocol.ts'
import { retryDelay } from './retry-delay.ts'
import { UpstreamRequest } from './upstream-request.ts'

/** Validates immediately, and sends the request when the first delta is requested. @throws SSE_ERR_OPTION */
export function streamModel (protocol: Protocol, body: object, options: ModelOptions): AsyncGenerator<ModelDelta, void, undefined> {
  const settings = resolveModelOptions(options)
  const request = buildRequest(protocol, settings, body)
  return new DeltaStream(settings.signal, stream => { sendWithRetries(protocol, request, settings, stream) })
}

async function sendWithRetries (protocol: Protocol, request: ModelRequest, settings: ModelSettings, stream: DeltaStream): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await new UpstreamRequest(protocol, request, settings, stream).settled
      return stream.end()
    } catch (error) {
      const delay = stream.hasPushed || !(error instanceof ModelError) ? undefined : retryDelay(error, attempt, settings)
      if (delay === undefined) return stream.fail(error)
      await pause(delay, stream)
      if (stream.cancelled) return
    }
  }
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
