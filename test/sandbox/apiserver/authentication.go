package apiserver

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/anonymous"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/union"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	tokenunion "k8s.io/apiserver/pkg/authentication/token/union"
	"k8s.io/apiserver/pkg/authentication/user"
)

// adminUser is who the server's Config and kubeconfig authenticate as.
const adminUser = "sandbox-admin"

// newAdminToken is a secret of 128 random bits.
func newAdminToken() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("make the administrator's token: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// newAuthenticator knows the administrator by token and ServiceAccounts by theirs. Without a token a request is
// anonymous, and with a bad one it is refused.
func newAuthenticator(adminToken string, t *tokens) authenticator.Request {
	audiences := authenticator.Audiences{Issuer}
	admin := tokenfile.New(map[string]*user.DefaultInfo{
		adminToken: {Name: adminUser, Groups: []string{user.SystemPrivilegedGroup}},
	})
	byToken := bearertoken.New(tokenunion.New(authenticator.WrapAudienceAgnosticToken(audiences, admin), t))
	return union.NewFailOnError(group.NewAuthenticatedGroupAdder(byToken), anonymous.NewAuthenticator(nil))
}
