import type { AddressInfo } from 'node:net'
import { faultRecord } from '../lambda/http/access-log.ts'
import type { App } from '../lambda/http/app.ts'
import { startupBanner } from './banner.ts'
import { clientView } from './client-view.ts'
import { type Config, readCommand } from './config.ts'
import { prepareFolder } from './data-folder.ts'
import { startInterval } from './interval.ts'
import { lockFolder } from './lock.ts'
import { chooseFormat, Log } from './log.ts'
import { createHttpServer } from './node-http.ts'
import { closeGracefully, listen, stopOnSignals } from './shutdown.ts'
import { errorReason, StartError } from './start-error.ts'
import { readCertificate, renewCertificate } from './tls.ts'

/** A registry whose stores are open. */
export interface OpenedRegistry {
  readonly app: App
  /** Runs the garbage collector once. */
  collect(): Promise<unknown>
  /** Closes the stores. It is called once, after the last request. */
  close(): Promise<void>
}

/** The settings that a registry is opened with. */
export type OpenOptions = Pick<
  Config,
  | 'data'
  | 'grace'
  | 'origin'
  | 'corsOrigins'
  | 'host'
  | 'auth'
  | 'adminPassword'
  | 'adminPasswordFile'
  | 'awsAccounts'
  | 'issuers'
  | 'stsEndpoint'
  | 'sparse'
  | 'newTable'
>

/** Writes messages for the operator to the log. */
export interface Report {
  readonly notice: (message: string) => void
  readonly warning: (message: string) => void
}

/** Opens a registry and its stores. */
export type OpenRegistry = (options: OpenOptions, report: Report) => Promise<OpenedRegistry>

/** Runs a server process: reads its command line, serves, and stops on a signal. */
export async function main(openRegistry: OpenRegistry): Promise<void> {
  try {
    const command = readCommand(process.argv.slice(2), process.env)
    if ('print' in command) console.log(command.print)
    else await start(command.serve, openRegistry)
  } catch (error) {
    console.error(`longshore: ${errorReason(error)}`)
    process.exit(error instanceof StartError ? error.exitCode : 1)
  }
}

async function start(config: Config, openRegistry: OpenRegistry): Promise<void> {
  const log = new Log(process.stderr, chooseFormat(config.log, process.stderr))
  const failed = (error: unknown) => log.write(faultRecord(Date.now(), error))
  process.on('exit', () => log.flush())

  const { tlsCert, tlsKey, data } = config
  const files = tlsCert && tlsKey ? { cert: tlsCert, key: tlsKey } : undefined
  const tls = files && readCertificate(files)
  prepareFolder(data)
  const lock = lockFolder(data)
  const registry = await openRegistry(config, {
    notice: message => log.notify('notice', message),
    warning: message => log.notify('warning', message),
  })
  const http = createHttpServer({
    app: registry.app,
    log,
    tls,
    client: clientView(config.trustedProxies ?? [], log),
  })
  await listen(http.server, config.port, config.host).catch(error => {
    throw new StartError('failure', listenFailure(error, config))
  })
  const collector = startInterval(collectorPeriod(config.grace), registry.collect, failed)

  if (files) {
    const renew = () => {
      renewCertificate(http.server, files)
      log.notify('notice', `reloaded the certificate from ${files.cert} for new connections`)
    }
    process.on('SIGHUP', () => attempt(renew, failed))
  }
  stopOnSignals(async () => {
    await closeGracefully(http, config.shutdown)
    await collector.stop()
    await registry.close()
    lock.release()
  }, failed)

  const address = http.server.address() as AddressInfo
  const { auth, origin } = config
  console.log(startupBanner({ address, secure: tls !== undefined, data, open: auth === 'open', origin }))
}

/**
 * A tenth of the grace period, between a second and a minute: garbage is kept for a tenth longer at most. Milliseconds.
 */
function collectorPeriod(grace: number): number {
  return Math.min(60_000, Math.max(1_000, grace / 10))
}

function listenFailure(error: NodeJS.ErrnoException, { host, port }: Config): string {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'the port is in use (--port chooses another)',
    EACCES: 'this user does not have the permission to use the port',
    EADDRNOTAVAIL: 'this machine does not have that address',
    ENOTFOUND: 'the host name cannot be resolved',
  }
  return `cannot listen on ${host}:${port}: ${reasons[error.code ?? ''] ?? errorReason(error)}`
}

function attempt(task: () => void, failed: (error: unknown) => void): void {
  try {
    task()
  } catch (error) {
    failed(error)
  }
}
