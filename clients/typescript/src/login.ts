/** Ways to log in: with a key file, as the demonstration account, with a token. */

import { InvalidInput } from "./errors.ts";
import type { LoginParams } from "./generated.ts";
import { said } from "./session.ts";

/** How a client proves who it is, on every connection anew. `sign` answers a challenge, in base64url without padding. */
export type Login =
  | { readonly key: string; readonly sign: (challenge: string) => Promise<string> }
  | { readonly demo: true }
  | { readonly token: string };

/** Of a secret of either kind: an Ed25519 private key (RFC 8032) or a secret for HMAC-SHA256 (RFC 2104). */
const SECRET_BYTES = 32;
/** What stands before an Ed25519 private key in its PKCS #8 form (RFC 8410, section 7). */
const PKCS8_ED25519 = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/** What else a key signs has one of these: a token a ".", the parameters of a request a "=". */
const NO_CHALLENGE = /[.=]/;

/**
 * The login of a key file, as `tickwire keys create` writes it. It signs with WebCrypto, which a browser has on pages of
 * `https:` and of this computer only.
 *
 * @param text what is in the file.
 * @throws InvalidInput it is no key file; the message names what is wrong, never the secret.
 */
export function keyFile(text: string): Login {
  const { key, kind, secret } = fieldsOf(text);
  if (typeof key !== "string" || key === "") throw new InvalidInput("the key file has no key", "key");
  if (kind !== "ed25519" && kind !== "hmac") {
    throw new InvalidInput("the kind of key in the key file must be ed25519 or hmac", "kind");
  }
  const bytes = typeof secret === "string" ? decodeBase64Url(secret) : null;
  if (bytes?.length !== SECRET_BYTES) {
    throw new InvalidInput(`the key file's secret is not ${SECRET_BYTES} bytes in base64url`, "secret");
  }
  let imported: Promise<CryptoKey> | null = null;
  const sign = async (challenge: string): Promise<string> => {
    if (NO_CHALLENGE.test(challenge)) {
      // a false server could have itself a token signed, or an order
      throw new InvalidInput("a challenge holds no '.' and no '='; do not trust this server", "challenge");
    }
    try {
      const secretKey = await (imported ??= importKey(kind, bytes));
      const algorithm = kind === "hmac" ? "HMAC" : "Ed25519";
      const signature = await crypto.subtle.sign(algorithm, secretKey, new TextEncoder().encode(challenge));
      return encodeBase64Url(new Uint8Array(signature));
    } catch (error) {
      throw new InvalidInput(`this browser can't sign with a key of kind ${kind}: ${said(error)}`, "kind");
    }
  };
  return { key, sign };
}

/**
 * The parameters of `auth.login`.
 *
 * @param challenge of the connection's `hello`.
 * @param takeover the session that the same client had before, which the server is to close.
 * @throws InvalidInput the challenge is none of a tickwire server, or it can't be signed.
 */
export async function loginParams(login: Login, challenge: string, takeover: string | null): Promise<LoginParams> {
  const rest = takeover === null ? {} : { takeover };
  if ("demo" in login) return { demo: true, ...rest };
  if ("token" in login) return { token: login.token, ...rest };
  return { key: login.key, signature: await login.sign(challenge), ...rest };
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // its message would quote the text, and with it the secret
  }
  throw new InvalidInput("this is no key file: it should be the JSON that `tickwire keys create` writes", "key");
}

async function importKey(kind: "ed25519" | "hmac", secret: Uint8Array): Promise<CryptoKey> {
  // undefined on pages that are not secure, whatever its type says
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) throw new Error("a page has WebCrypto only at https: and on this computer");
  if (kind === "hmac") {
    return subtle.importKey("raw", new Uint8Array(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  }
  return subtle.importKey("pkcs8", new Uint8Array([...PKCS8_ED25519, ...secret]), "Ed25519", false, ["sign"]);
}

/** Base64url without padding (RFC 4648, section 5). */
function encodeBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** The inverse, which takes only what that gives; null for anything else. */
function decodeBase64Url(text: string): Uint8Array | null {
  if (!/^[\w-]*$/.test(text)) return null;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
    return encodeBase64Url(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}
