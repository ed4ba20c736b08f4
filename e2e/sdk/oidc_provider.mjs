// The certified OpenID provider `oidc-provider`, with one application and whoever says their name. Listens on loopback until its input ends.
//
//     node oidc_provider.mjs <issuer> <client id> <client secret> <redirect address>

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [issuer, clientId, clientSecret, redirect] = process.argv.slice(2);
const found = createRequire(`${process.env.DOORWARD_NODE}/package.json`).resolve("oidc-provider");
const { Provider } = await import(pathToFileURL(found));

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uris: [redirect],
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  ],
  claims: { openid: ["sub"], email: ["email"], profile: ["name"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["of the tests"] },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, email: `${id}@northwind.example`, name: id }),
  }),
});
provider.listen(new URL(issuer).port, "127.0.0.1", () => console.log("listening"));
process.stdin.resume().on("end", () => process.exit(0));
