import { Aws } from 'aws-cdk-lib'
import type { Settings } from '../settings.ts'
import type { RelayProgram } from './relay-program.ts'
import { dualStackHost, POWER_OFF } from './relay-user-data.ts'

interface RelayConfigurationProps {
  readonly settings: Settings
  /** Release of the packages of Amazon Linux. */
  readonly packages: string
  /** The environment variables of the API. */
  readonly environment: Readonly<Record<string, string>>
  readonly program: RelayProgram
  readonly instanceId: string
  readonly port: number
}

/**
 * The configuration of the relay's instance, in the form of a systemd environment file. The instance itself uses `LONGSHORE_BUNDLE_…` and
 * `LONGSHORE_PACKAGES`; the relay gets all of it.
 */
export function relayConfiguration(props: RelayConfigurationProps): string {
  const { settings, packages, environment, program, instanceId, port } = props
  return environmentFile({
    LONGSHORE_BUNDLE_BUCKET: program.bucketName,
    LONGSHORE_BUNDLE_KEY: program.key,
    LONGSHORE_BUNDLE_SHA256: program.digest,
    LONGSHORE_PACKAGES: packages,
    ...environment,
    LONGSHORE_RELAY_INSTANCE: instanceId,
    // With 0 the relay never stops itself.
    LONGSHORE_RELAY_IDLE_MINUTES: settings.relay === 'auto' ? String(settings.relayIdleMinutes) : '0',
    ...(settings.relay === 'auto' && { LONGSHORE_POWER_OFF: POWER_OFF }),
    AWS_REGION: Aws.REGION,
    AWS_ENDPOINT_URL_SSM: `https://${dualStackHost('ssm')}`,
    PORT: String(port),
  })
}

/** Quoted as systemd reads it (systemd.exec, `EnvironmentFile=`). */
function environmentFile(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"\n`)
    .join('')
}
