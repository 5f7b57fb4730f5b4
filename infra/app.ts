import { App, Validations } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { checkRegion } from './regions.ts'
import { readSettings, SettingsError } from './settings.ts'
import { RegistryStack } from './stack.ts'

try {
  const app = new App()
  const settings = readSettings(app.node.getAllContext())
  // The CDK takes it from the AWS profile. The stack itself does not depend on the region.
  checkRegion(process.env.CDK_DEFAULT_REGION, settings)
  new RegistryStack(app, settings)
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  app.synth()
} catch (error) {
  if (!(error instanceof SettingsError)) throw error
  console.error(`longshore: ${error.message}`)
  process.exitCode = 1
}
