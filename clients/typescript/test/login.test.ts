import { expect, test, vi } from "vitest";
import { InvalidInput, keyFile } from "../src/index.ts";
import { loginParams } from "../src/login.ts";

const SECRET = "-h9EaY6z2P0iR2yRttsAJUpvlLneAyhNcpe84QYrUHU";
const file = (rest: object = {}): string =>
  JSON.stringify({ key: "k1", kind: "ed25519", secret: SECRET, account: "alice", scopes: ["read"], ...rest });

// the signatures are those of `KeyFile.sign` in Python
test.each([
  ["ed25519", "AiJ0MH_sBzTmmWwPdv460spBIzDliTErSIPhdZw67yNFfRQsdzTa8Ihjus7uw2VRCUJfzxGZ714eAa-PygrUDQ"],
  ["hmac", "j8SajiLbFPTFfHHO-I0YNTIC4dUR_g9JyuDgYyILrTI"],
])("a key of kind %s signs as the Python client does", async (kind, signature) => {
  const login = keyFile(file({ kind }));
  const challenge = "-VyeS6FjM5E3kM1gKavH4g_GWhbhyaLg";
  expect(await loginParams(login, challenge, null)).toEqual({ key: "k1", signature });
  expect(await loginParams(login, challenge, "s1")).toEqual({ key: "k1", signature, takeover: "s1" });
});

test("a token and the demonstration account need no signature", async () => {
  expect(await loginParams({ token: "t" }, "c", "s1")).toEqual({ token: "t", takeover: "s1" });
  expect(await loginParams({ demo: true }, "c", null)).toEqual({ demo: true });
  expect(await loginParams({ demo: true }, "c", "s1")).toEqual({ demo: true, takeover: "s1" });
});

test.each(["a.b", "a=1"])("%j is no challenge, so it is not signed", async (challenge) => {
  await expect(loginParams(keyFile(file()), challenge, null)).rejects.toMatchObject({ field: "challenge" });
});

test.each([
  ["no JSON", "key", "key"],
  ["no object", "5", "key"],
  ["no key", file({ key: "" }), "key"],
  ["another kind", file({ kind: "rsa" }), "kind"],
  ["no secret", file({ secret: undefined }), "secret"],
  ["a short secret", file({ secret: "AAAA" }), "secret"],
  ["other letters", file({ secret: SECRET.replace("-", "+") }), "secret"],
  ["padding", file({ secret: `${SECRET}=` }), "secret"],
  ["bits that are none", file({ secret: SECRET.replace(/U$/, "V") }), "secret"],
])("%s: no key file, and the message does not tell the secret", (_, text, field) => {
  expect(() => keyFile(text)).toThrow(InvalidInput);
  try {
    keyFile(text);
  } catch (error) {
    expect(error).toMatchObject({ field });
    expect(String(error)).not.toContain(SECRET.slice(1, 20));
  }
});

test("where there is no WebCrypto, it says why", async () => {
  vi.stubGlobal("crypto", {});
  await expect(loginParams(keyFile(file()), "c", null)).rejects.toThrow("only at https: and on this computer");
  vi.unstubAllGlobals();
});
