// Package pgtest gives tests a PostgreSQL server of their own: Debian's, in a
// temporary folder, run by a user without rights, gone when the process is.
//
// [Start] starts one for the process, or returns the one that runs; [Server.URL]
// makes a fresh, empty database; [Server.Kill], [Server.Restart] and [Server.Stop]
// do what happens to servers, preferably to one of the test's [Own]. A package whose tests use it may call [Stop] in its
// TestMain; without that the server ends with the process all the same, and its
// folder is removed by the next process that starts one.
package pgtest
