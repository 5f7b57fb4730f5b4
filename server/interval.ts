/** A task that runs at an interval until it is stopped. */
interface Interval {
  /** Resolves when the run in progress, if any, has ended. */
  stop(): Promise<void>
}

/**
 * Runs a task at an interval. While a run is in progress, no other run begins. The interval does not keep the process
 * alive.
 * @param failed receives the error of a run that rejects
 */
export function startInterval(
  ms: number,
  task: () => Promise<unknown>,
  failed: (error: unknown) => void,
): Interval {
  let running: Promise<unknown> | undefined
  const timer = setInterval(() => {
    running ??= task()
      .catch(failed)
      .finally(() => {
        running = undefined
      })
  }, ms)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}
