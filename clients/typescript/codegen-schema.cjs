// What caches must know of the schema, as small as they take it: which types an interface or union has
// (Apollo), and the names of types and fields (graphcache).

const { minifyIntrospectionQuery } = require("@urql/introspection");
const { introspectionFromSchema, isAbstractType } = require("graphql");

exports.plugin = (schema) => {
  const possibleTypes = {};
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isAbstractType(type) || type.name.startsWith("__")) continue;
    possibleTypes[type.name] = schema.getPossibleTypes(type).map(({ name }) => name);
  }
  const minified = minifyIntrospectionQuery(introspectionFromSchema(schema));
  return [
    'import type { CacheExchangeOpts } from "@urql/exchange-graphcache";',
    `export const possibleTypes: Record<string, string[]> = ${JSON.stringify(possibleTypes)};`,
    `export const schema = ${JSON.stringify(minified)} as unknown as NonNullable<CacheExchangeOpts["schema"]>;`,
  ].join("\n");
};
