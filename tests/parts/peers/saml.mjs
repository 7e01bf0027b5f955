// Another SAML service provider (npm @node-saml/node-saml), for the measurements: how many responses it takes or refuses in a second of a core.
//
//   MODULES=…/.installed/peers node saml.mjs FOLDER SECONDS
//
// FOLDER has peer.json ("entityId", "acs", "idp" and "idpCertificate", "certificate" and "privateKey") and messages, each NAME.b64. Prints one JSON
// object a line for each: "name", "accepted", "count", "cpu" and "elapsed", both in seconds.

import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const { SAML } = createRequire(`${process.env.MODULES}/`)('@node-saml/node-saml')
const [folder, seconds] = process.argv.slice(2)
const settings = JSON.parse(readFileSync(join(folder, 'peer.json')))
const saml = new SAML({
  issuer: settings.entityId,
  audience: settings.entityId,
  callbackUrl: settings.acs,
  idpIssuer: settings.idp,
  idpCert: settings.idpCertificate,
  decryptionPvk: settings.privateKey,
  wantAssertionsSigned: true,
  wantAuthnResponseSigned: false,
  validateInResponseTo: 'never',
  acceptedClockSkewMs: 60_000
})

for (const file of readdirSync(folder).filter(name => name.endsWith('.b64')).sort()) {
  const message = { SAMLResponse: readFileSync(join(folder, file), 'utf8') }
  const isAccepted = () => saml.validatePostResponseAsync(message).then(({ profile }) => Boolean(profile), () => false)
  const accepted = await isAccepted()
  for (let warm = 0; warm < 50; warm++) await isAccepted()
  let count = 0
  const begun = process.hrtime.bigint(), used = process.cpuUsage()
  const elapsed = () => Number(process.hrtime.bigint() - begun) / 1e9
  while (elapsed() < Number(seconds)) {
    if (await isAccepted() !== accepted) throw new Error(`${file} is not answered alike`)
    count++
  }
  const { user, system } = process.cpuUsage(used)
  console.log(JSON.stringify({ name: file.slice(0, -4), accepted, count, cpu: (user + system) / 1e6, elapsed: elapsed() }))
}
