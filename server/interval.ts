/** Something that happens again and again until it is stopped. */
interface Timer {
  /** Resolves when the run under way, if any, has ended. */
  stop(): Promise<void>
}

/** Runs a task every so many milliseconds, never twice at once. Does not keep the process alive. */
export function startInterval(
  ms: number,
  task: () => Promise<unknown>,
  failed: (error: unknown) => void,
): Timer {
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
