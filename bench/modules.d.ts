// The npm package of workerd has no types: its default export is the path of the binary.
declare module "workerd" {
  const workerd: { default: string };
  export default workerd;
}
