// A small portal that signs people in through Vestibule, with npm openid-client and jose and Node's own HTTP server.
//
//   ISSUER=https://id.example.com CLIENT_ID=portal CLIENT_SECRET=… PORTAL=https://portal.example.com PORT=3000 node portal.mjs
//
// It is registered with redirect_uris = ["PORTAL/callback"], post_logout_redirect_uris = ["PORTAL/"] and
// backchannel_logout_uri = "PORTAL/backchannel-logout". What lies between two markers `region` is shown in docs/portal.md.
// Sessions are in memory here. A real portal keeps them in its database, where all of its processes see that one has ended.

import { randomBytes } from 'node:crypto'
import http from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as openid from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORTAL = 'http://portal.localhost:3000', PORT = '3000' } = process.env

// region discover
const execute = [openid.enableNonRepudiationChecks] // signatures are verified, although TLS says where the tokens are from
if (ISSUER.startsWith('http://')) execute.push(openid.allowInsecureRequests) // a machine of one's own, and no other
const vestibule = await openid.discovery(new URL(ISSUER), CLIENT_ID, { id_token_signed_response_alg: 'ES256' }, openid.ClientSecretBasic(CLIENT_SECRET), { execute })
const { issuer, jwks_uri: jwks } = vestibule.serverMetadata()
const keys = createRemoteJWKSet(new URL(jwks)) // cached; asked again when a kid is unknown, at most each 30 seconds
// endregion

const sessions = new Map() // what the cookie says → { until, pending, accounts, tokens, claims }
const isSecure = PORTAL.startsWith('https:')
const cookie = isSecure ? '__Host-portal' : 'portal'

/** A session under a new name, so that nobody signs in under a name that somebody else knows. */
function begin (response, minutes, content) {
  const id = randomBytes(32).toString('base64url')
  sessions.set(id, { until: Date.now() + minutes * 60_000, pending: new Map(), accounts: new Set(), ...content })
  response.setHeader('set-cookie', `${cookie}=${id}; Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`)
  return sessions.get(id)
}

// region sign-in
/** Sends the browser to Vestibule. `asked` has what is special about this time: account, login, prompt, acr_values, max_age. */
async function authorize (response, session, asked) {
  const [verifier, state, nonce] = [openid.randomPKCECodeVerifier(), openid.randomState(), openid.randomNonce()]
  session.pending.set(state, { verifier, nonce, asked, before: session.claims })
  redirect(response, openid.buildAuthorizationUrl(vestibule, {
    redirect_uri: `${PORTAL}/callback`,
    scope: 'openid profile email',
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...asked
  }))
}

/** The browser comes back with a code, or with an error. The library checks state, iss, nonce, signature, aud and times. */
async function callback (url, response, id) {
  const [session, state] = [sessions.get(id), url.searchParams.get('state')]
  const pending = session?.pending.get(state)
  if (!pending) return page(response, 400, 'This sign-in did not begin in this browser, or it is over.')
  session.pending.delete(state)
  const { verifier, nonce, asked, before } = pending
  try {
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, maxAge: asked.max_age, idTokenExpected: true }
    const tokens = await openid.authorizationCodeGrant(vestibule, url, checks)
    const claims = tokens.claims()
    if (asked.account && claims.account !== asked.account) throw new Error('the tokens are for another account than was asked for')
    if (asked.acr_values && claims.acr !== asked.acr_values) throw new Error('the sign-in is not as strong as was asked for')
    if (asked.login === 'other' && before && claims.person !== before.person) throw new Error('the tokens are another person’s')
    // Each login has accounts of its own.
    const accounts = claims.sub === before?.sub ? session.accounts : new Set()
    sessions.delete(id)
    begin(response, 12 * 60, { tokens, claims, accounts: accounts.add(claims.account) })
    // The tokens of the account before this one are of no use any more.
    if (session.tokens) await openid.tokenRevocation(vestibule, session.tokens.refresh_token).catch(console.error)
    redirect(response, '/')
  } catch (error) {
    // What cannot be done silently is asked again with a page: nobody is signed in any more, or somebody has to choose.
    const silent = ['login_required', 'interaction_required', 'account_selection_required']
    if (asked.prompt !== 'none' || !silent.includes(error.error)) throw error
    const { prompt, ...rest } = asked
    await authorize(response, session, rest)
  }
}
// endregion

// region refresh
/** Nobody is signed in any more. What waits for the browser goes on: who switches to their other login comes back as that one. */
function leave (id) {
  const { until, pending } = sessions.get(id)
  sessions.set(id, { until, pending, accounts: new Set() })
}

/** New tokens, which say what is true now. One refresh at a time: a refresh token is good once, and the second use of one ends all. */
function refresh (session) {
  session.refreshing ??= openid.refreshTokenGrant(vestibule, session.tokens.refresh_token).then(tokens => {
    if (tokens.claims().sub !== session.claims.sub) throw new Error('the tokens are somebody else’s')
    Object.assign(session, { tokens, claims: tokens.claims() })
  }).finally(() => { delete session.refreshing })
  return session.refreshing
}

/** The session of a request, with tokens that are still good. Nobody's when Vestibule says that it is over. */
async function signedIn (id, anew) {
  const session = sessions.get(id)
  if (!session?.tokens) return undefined
  try {
    if (anew || session.tokens.expiresIn() < 30) await refresh(session)
    return session
  } catch (error) {
    if (error.error !== 'invalid_grant') throw error
    leave(id)
  }
}
// endregion

// region logout
const seen = new Map() // the ids of logout tokens → when they may be forgotten

/** Vestibule says that a session is over: back-channel logout. */
async function backchannelLogout (request, response) {
  response.setHeader('cache-control', 'no-store')
  try {
    const { payload } = await jwtVerify((await form(request)).get('logout_token') ?? '', keys, {
      typ: 'logout+jwt', algorithms: ['ES256'], issuer, audience: CLIENT_ID, maxTokenAge: '5 minutes', clockTolerance: 30, requiredClaims: ['iat', 'exp', 'jti', 'events']
    })
    const { events, nonce, sid, sub, jti } = payload
    if (!events['http://schemas.openid.net/event/backchannel-logout'] || nonce !== undefined || !(sid || sub)) throw new Error('this is no logout token')
    // One that comes again was lost on its way back, or was overheard: it has done what it says.
    if (!seen.has(jti)) {
      for (const [id, { claims }] of sessions) if (claims && (sid ? claims.sid === sid : claims.sub === sub)) leave(id)
      seen.set(jti, Date.now() + 600_000)
    }
    response.end()
  } catch (error) {
    console.error('logout token refused:', error.message)
    response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error: 'invalid_request' }))
  }
}

/** Signs out here and at Vestibule, which signs out everywhere else. */
function signOut (response, id) {
  const session = sessions.get(id)
  sessions.delete(id)
  response.setHeader('set-cookie', `${cookie}=; Path=/; Max-Age=0`)
  if (!session?.tokens) return redirect(response, '/')
  redirect(response, openid.buildEndSessionUrl(vestibule, { id_token_hint: session.tokens.id_token, post_logout_redirect_uri: `${PORTAL}/` }))
}
// endregion

const form = async request => {
  let text = ''
  for await (const chunk of request) if ((text += chunk).length > 100_000) throw new Error('too long')
  return new URLSearchParams(text)
}
const redirect = (response, to) => response.writeHead(303, { location: to.toString() }).end()
const escape = text => String(text).replace(/[&<>"']/g, sign => `&#${sign.charCodeAt(0)};`)

function page (response, status, text, session) {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': `default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' ${new URL(issuer).origin}`
  })
  const { claims, accounts } = session ?? {}
  const others = [...accounts ?? []].filter(account => account !== claims.account)
  response.end(`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>Sample portal</title><main><h1>Sample portal</h1><p>${escape(text)}</p>${!claims ? '<p><a href="/sign-in">Sign in</a></p>' : `
<dl><dt>Signed in as</dt><dd id="user">${escape(claims.preferred_username)}</dd><dt>Login</dt><dd id="login">${escape(claims.sub)}</dd><dt>Person</dt><dd>${escape(claims.person)}</dd><dt>Account</dt><dd id="account">${escape(claims.account)}</dd>
<dt>Roles</dt><dd id="roles">${escape(claims.roles?.join(', ') || 'none')}</dd><dt>Strength</dt><dd id="acr">${escape(claims.acr)}</dd></dl>
${others.map(account => `<p><a href="/sign-in?prompt=none&amp;account=${encodeURIComponent(account)}">Go to ${escape(account)}</a></p>`).join('')}
<p><a href="/sign-in?prompt=select_account">Another account</a></p>${claims.login.linked ? '<p><a href="/sign-in?login=other">Use my other login</a></p>' : ''}<p><a href="/sign-in?acr_values=urn:vestibule:aal2">Prove it with a second factor</a></p>
<form method="post"><button formaction="/refresh">Refresh</button> <button formaction="/sign-out">Sign out</button></form>`}</main></html>`)
}

/** The cookie is SameSite=Lax, so no other site's form comes here with it. */
async function answer (request, response) {
  const url = new URL(request.url, PORTAL)
  const id = request.headers.cookie?.match(new RegExp(`(?:^|; )${cookie}=([\\w-]+)`))?.[1]
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /': {
      const session = await signedIn(id)
      return page(response, 200, session ? `Welcome, ${session.claims.name ?? session.claims.sub}.` : 'You are signed out.', session)
    }
    case 'GET /sign-in': {
      const asked = Object.fromEntries([...url.searchParams].filter(([name]) => ['account', 'login', 'prompt', 'acr_values'].includes(name)))
      return authorize(response, sessions.get(id) ?? begin(response, 15, {}), asked)
    }
    case 'GET /callback': return callback(url, response, id)
    case 'POST /refresh': await signedIn(id, true); return redirect(response, '/')
    case 'POST /sign-out': return signOut(response, id)
    case 'POST /backchannel-logout': return backchannelLogout(request, response)
    default: return page(response, 404, 'There is nothing here.')
  }
}

setInterval(() => {
  for (const [id, { until }] of sessions) if (until < Date.now()) sessions.delete(id)
  for (const [jti, until] of seen) if (until < Date.now()) seen.delete(jti)
}, 60_000).unref()

const server = http.createServer((request, response) => answer(request, response).catch(error => {
  console.error(request.method, request.url.split('?')[0], error)
  page(response, 400, `That did not work: ${error.error ?? error.code ?? error.message}.`)
}))
server.listen(Number(PORT), '127.0.0.1', () => console.log(`ready ${PORTAL}`))
