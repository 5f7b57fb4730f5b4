/**
 * Measures the processor time of the work, in milliseconds, over all threads of this process. Unlike wall time it does
 * not depend on other processes of the machine.
 */
export async function processorTime(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
