// Package render says what becomes of an EventStream: the configuration of its hub, and its children in the cluster. All of
// it is pure. It has no client and no clock, so equal input gives equal output, and an operator that restarts or is upgraded
// writes nothing that is written already.
//
// Resolve fills in what the spec leaves unset and finds what the schema cannot. Config makes the hub's document of that,
// with or without a cluster. Children makes the objects.
package render
