// Package linking is what every program that takes part in the exchange of ledgers
// makes of its folder: the configurations of its links ([Participant.Configs]), and
// for one that runs a broker who may connect ([ForNode], [ForHub]). It opens no
// connection and no broker: that is package peer's and package broker's.
package linking
