import { report } from 'node:process'

/**
 * File descriptors that the server reserves: for the database, the log, threads, directories while an upload is
 * committed, and refused connections.
 */
const RESERVED = 96

/**
 * How many connections the server accepts. Each can have one file open besides its socket. Without descriptors the
 * system could not accept a connection even to refuse it: Node closes such a connection without a response.
 * @param descriptors how many files the process may have open; absent: any number
 */
export function connectionLimit(descriptors: number | undefined): number {
  return descriptors === undefined ? Infinity : Math.max(1, Math.floor((descriptors - RESERVED) / 2))
}

/**
 * How many files and sockets this process may have open: its soft limit, `ulimit -n`. `undefined` where there is no
 * limit.
 */
export function descriptorLimit(): number | undefined {
  Object.assign(report, { excludeNetwork: true }) // the names of all peers would be resolved
  const { userLimits } = report.getReport() as { userLimits?: { open_files?: { soft?: unknown } } }
  const limit = userLimits?.open_files?.soft
  return typeof limit === 'number' ? limit : undefined
}
