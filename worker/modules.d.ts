// The platform's own module: of it, what is used here.
declare module "cloudflare:workers" {
  import { CloudflareWorkersModule } from "@cloudflare/workers-types";
  export import DurableObject = CloudflareWorkersModule.DurableObject;
}

// A wasm file is imported as a compiled module in workerd.
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
