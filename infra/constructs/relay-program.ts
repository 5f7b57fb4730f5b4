import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Stack, Stage } from 'aws-cdk-lib'
import { Asset } from 'aws-cdk-lib/aws-s3-assets'
import { Construct } from 'constructs'
import { bundleProgram } from '../bundle.ts'

const ENTRY = join(import.meta.dirname, '../../server/relay.ts')

/** The relay in one file, as an asset in the bucket of `cdk bootstrap`. */
export class RelayProgram extends Construct {
  readonly bucketName: string
  readonly key: string
  /** SHA-256 of the file, in hexadecimal digits. */
  readonly digest: string

  constructor(scope: Construct, id: string) {
    super(scope, id)
    const path = Stack.of(this).bundlingRequired ? bundleIn(this) : ENTRY
    const asset = new Asset(this, 'File', { path })
    this.bucketName = asset.s3BucketName
    this.key = asset.s3ObjectKey
    this.digest = createHash('sha256').update(readFileSync(path)).digest('hex')
  }
}

function bundleIn(scope: Construct): string {
  const file = join(Stage.of(scope)?.outdir ?? '.', 'relay.mjs')
  bundleProgram(ENTRY, file)
  return file
}
