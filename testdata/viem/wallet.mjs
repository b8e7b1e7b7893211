// A JavaScript wallet and a browser's key store on standard input and output,
// one JSON object a line, so that a Go test can hold its own bytes against
// theirs. An answer stands on the line of its question.
//
//   {typed, key}            signs typed data, as eth_signTypedData_v4
//     -> {digest, address, signature, compact}
//   {typed, address, signature}   checks a signature made elsewhere
//     -> {digest, recovered, valid}
//   {preimage}              signs with a new non-extractable P-256 key
//     -> {point, signature}
//   {preimage, point, signature}  checks a P-256 signature made elsewhere
//     -> {valid}
import { webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline'
import {
  bytesToHex, hashTypedData, hexToBytes, parseSignature, recoverTypedDataAddress,
  serializeCompactSignature, signatureToCompactSignature, verifyTypedData,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

async function answer({ typed, key, address, signature, preimage, point }) {
  if (typed && key) {
    const account = privateKeyToAccount(key)
    const signature = await account.signTypedData(typed)
    const compact = serializeCompactSignature(signatureToCompactSignature(parseSignature(signature)))
    return { digest: hashTypedData(typed), address: account.address, signature, compact }
  }
  if (typed && address && signature) {
    return {
      digest: hashTypedData(typed),
      recovered: await recoverTypedDataAddress({ ...typed, signature }),
      valid: await verifyTypedData({ ...typed, address, signature }),
    }
  }
  if (preimage && point && signature) {
    const pub = await webcrypto.subtle.importKey('raw', hexToBytes(point), ecdsa, false, ['verify'])
    return { valid: await webcrypto.subtle.verify(ecdsa, pub, hexToBytes(signature), hexToBytes(preimage)) }
  }
  if (preimage) {
    const pair = await webcrypto.subtle.generateKey(ecdsa, false, ['sign'])
    const raw = await webcrypto.subtle.exportKey('raw', pair.publicKey)
    const made = await webcrypto.subtle.sign(ecdsa, pair.privateKey, hexToBytes(preimage))
    return { point: bytesToHex(new Uint8Array(raw)), signature: bytesToHex(new Uint8Array(made)) }
  }
  throw new Error('a question of no known form')
}

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line))))
}
