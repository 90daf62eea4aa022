package cli

import "github.com/spf13/cobra"

func claim(o Options) *cobra.Command { return &cobra.Command{Use: "claim URL", Hidden: true} }
