/**
 * Milliseconds of processor time that the work takes, in all threads of this process. Unlike the clock it does not mind what
 * else runs on the machine.
 */
export async function processorTime(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
