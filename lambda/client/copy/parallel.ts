/**
 * Runs a task for every item, at most `limit` at a time. The first failure aborts the others, and is thrown when all have ended: nothing
 * goes on in the background.
 */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal | undefined,
  task: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController()
  const either = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal
  const waiting = items.values()
  let failure: { readonly error: unknown } | undefined
  const work = async () => {
    for (const item of waiting) {
      if (either.aborted) return
      try {
        await task(item, either)
      } catch (error) {
        failure ??= { error }
        failed.abort(error)
      }
    }
  }
  await Promise.all(Array.from({ length: limit }, work))
  signal?.throwIfAborted()
  if (failure) throw failure.error
}
