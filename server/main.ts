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

/** A registry on its stores, ready to serve. */
export interface RegistryOpener {
  readonly app: App
  /** Does the work of the collector that is due. */
  collect(): Promise<unknown>
  /** Closes the stores. Called once, when nothing uses them any more. */
  close(): Promise<void>
}

/** What a registry is opened from. */
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

/** Takes what the operator should know, for the log. */
export interface Report {
  readonly notice: (message: string) => void
  readonly warning: (message: string) => void
}

/** Opens the stores. */
export type Open = (options: OpenOptions, report: Report) => Promise<RegistryOpener>

/** The whole life of a server process: from its command line to its last signal. */
export async function main(open: Open): Promise<void> {
  try {
    const command = readCommand(process.argv.slice(2), process.env)
    if ('print' in command) console.log(command.print)
    else await start(command.serve, open)
  } catch (error) {
    console.error(`longshore: ${errorReason(error)}`)
    process.exit(error instanceof StartError ? error.exitCode : 1)
  }
}

async function start(config: Config, open: Open): Promise<void> {
  const log = new Log(process.stderr, chooseFormat(config.log, process.stderr))
  const failed = (error: unknown) => log.write(faultRecord(Date.now(), error))
  process.on('exit', () => log.flush())

  const { tlsCert, tlsKey, data } = config
  const files = tlsCert && tlsKey ? { cert: tlsCert, key: tlsKey } : undefined
  const tls = files && readCertificate(files)
  prepareFolder(data)
  const lock = lockFolder(data)
  const registry = await open(config, {
    notice: message => log.tell('notice', message),
    warning: message => log.tell('warning', message),
  })
  const door = createHttpServer({
    app: registry.app,
    log,
    tls,
    client: clientView(config.trustedProxies ?? [], log),
  })
  await listen(door.server, config.port, config.host).catch(error => {
    throw new StartError('failure', whyNotListening(error, config))
  })
  const collector = startInterval(collectorPeriod(config.grace), registry.collect, failed)

  if (files) {
    const renew = () => {
      renewCertificate(door.server, files)
      log.tell('notice', `new connections use the certificate that is now in ${files.cert}`)
    }
    process.on('SIGHUP', () => attempt(renew, failed))
  }
  stopOnSignals(async () => {
    await closeGracefully(door, config.shutdown)
    await collector.stop()
    await registry.close()
    lock.release()
  }, failed)

  const address = door.server.address() as AddressInfo
  const { auth, origin } = config
  console.log(startupBanner({ address, secure: tls !== undefined, data, open: auth === 'open', origin }))
}

/** Often enough that garbage outlives its grace by a tenth at most, and at least once a minute. */
function collectorPeriod(grace: number): number {
  return Math.min(60_000, Math.max(1_000, grace / 10))
}

function whyNotListening(error: NodeJS.ErrnoException, { host, port }: Config): string {
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: 'the port is in use (--port chooses another)',
    EACCES: 'this user may not use the port',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'the address is not known',
  }
  return `cannot listen on ${host}:${port}: ${why[error.code ?? ''] ?? errorReason(error)}`
}

function attempt(task: () => void, failed: (error: unknown) => void): void {
  try {
    task()
  } catch (error) {
    failed(error)
  }
}
