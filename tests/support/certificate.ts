/** Certificates for tests of TLS, made by openssl. */

/** A self-signed certificate for localhost, made by openssl; undefined where there is none. */
export async function selfSigned(
  dir: string,
  name = "own",
): Promise<{ cert: string; key: string } | undefined> {
  const [cert, key] = [`${dir}/${name}.crt`, `${dir}/${name}.key`];
  // deno-fmt-ignore
  const args = [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
    "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
  ];
  try {
    const { success } = await new Deno.Command("openssl", { args, stdout: "null", stderr: "null" })
      .output();
    return success ? { cert, key } : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
