import { AsyncResource } from 'node:async_hooks'

/**
 * Returns a function that calls a callback in the current AsyncLocalStorage context, whatever the context of its own call.
 *
 * `AsyncResource.bind` is several hundred times slower, because it defines properties of the function that it returns.
 */
export function bindContext<Args extends unknown[], Result> (callback: (...args: Args) => Result): (...args: Args) => Result {
  const resource = new AsyncResource('SseCallback')
  return (...args) => resource.runInAsyncScope(callback, undefined, ...args)
}
