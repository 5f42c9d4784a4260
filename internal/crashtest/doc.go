// Package crashtest shows by crashes that nothing is lost.
package crashtest
