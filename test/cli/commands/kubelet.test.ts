import { describe, expect, it } from 'vitest'
import { longshore, succeed } from '../../support/cli.ts'

const COMMAND = 'kubelet-credential-provider'
const request = (fields: object) =>
  JSON.stringify({
    apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
    kind: 'CredentialProviderRequest',
    image: 'registry.example/team/app:v1',
    ...fields,
  })

describe('the kubelet credential provider', () => {
  it('logs a pod in with its service account token', async () => {
    const printed = JSON.parse(await succeed(COMMAND, { input: request({ serviceAccountToken: 'a.b.c' }) }))
    expect(printed).toMatchObject({
      kind: 'CredentialProviderResponse',
      cacheDuration: '0s',
      auth: { 'registry.example': { username: 'oidc', password: 'a.b.c' } },
    })
  })

  it('logs a pod without a token in with the AWS credentials of the node', async () => {
    const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
    const awsCredentials = async () => ({ credentials, region: 'us-east-1' })
    const printed = JSON.parse(await succeed(COMMAND, { input: request({}), awsCredentials }))
    expect(printed.auth['registry.example']).toMatchObject({
      username: 'aws',
      password: expect.stringMatching(/^https:\/\/sts\.us-east-1\.amazonaws\.com\//),
    })
  })

  it.each(['', '{}', 'no json', request({ apiVersion: 'v1alpha1' })])('refuses %j', async input => {
    expect(await longshore(COMMAND, { input })).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('must be a CredentialProviderRequest'),
    })
  })
})
