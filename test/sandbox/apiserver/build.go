package apiserver

import (
	"context"
	"fmt"
	"net"
	goruntime "runtime"

	nooptrace "go.opentelemetry.io/otel/trace/noop"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	apiextensionsoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/component-base/compatibility"

	"github.com/runnel-dev/runnel/test/sandbox/apiserver/openapi"
)

// builder makes one server of its parts.
type builder struct {
	options    Options
	gate       *gate
	etcdSocket string

	registry   *registry
	tokens     *tokens
	adminToken string
	caBundle   []byte
	etcd       *options.EtcdOptions
	config     *genericapiserver.RecommendedConfig
	internal   *rest.Config // the server's own clients, as system:masters past the gate
	informers  informers.SharedInformerFactory
	authorizer *rbacAuthorizer
	server     *apiextensions.CustomResourceDefinitions
}

func (b *builder) build() error {
	var err error
	if b.registry, err = newRegistry(); err != nil {
		return err
	}
	if b.adminToken, err = newAdminToken(); err != nil {
		return err
	}
	keys, err := newKeyring()
	if err != nil {
		return err
	}
	b.tokens = &tokens{keys: keys} // its getters come with the storages
	if err := b.configure(); err != nil {
		return fmt.Errorf("configure the generic server: %w", err)
	}
	if err := b.secure(); err != nil {
		return fmt.Errorf("configure access: %w", err)
	}
	b.publish()
	b.server, err = b.extensionConfig().Complete().New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return fmt.Errorf("make the extension server: %w", err)
	}
	if err := b.installBuiltins(); err != nil {
		return fmt.Errorf("install the built-in kinds: %w", err)
	}
	s := b.server.GenericAPIServer
	installGroups(s, b.registry.codecs, b.server.Informers.Apiextensions().V1().CustomResourceDefinitions().Lister())
	s.Handler.NonGoRestfulMux.HandleFunc("/openid/v1/jwks", keys.serveKeys)
	s.Handler.NonGoRestfulMux.HandleFunc("/.well-known/openid-configuration", serveConfiguration(b.host()))
	return nil
}

func (b *builder) host() string { return "https://" + b.gate.Addr().String() }

// run serves until ctx ends.
func (b *builder) run(ctx context.Context) error {
	return b.server.GenericAPIServer.PrepareRun().RunWithContext(ctx)
}

// configure sets up storage and serving.
func (b *builder) configure() error {
	b.config = genericapiserver.NewRecommendedConfig(apiextensions.Codecs)
	if err := options.NewServerRunOptions().ApplyTo(&b.config.Config); err != nil {
		return err
	}
	codec := apiextensions.Codecs.LegacyCodec(apiextensionsv1.SchemeGroupVersion)
	b.etcd = options.NewEtcdOptions(storagebackend.NewDefaultConfig("/registry", codec))
	b.etcd.StorageConfig.Transport.ServerList = []string{"unix://" + b.etcdSocket}
	if err := b.etcd.ApplyTo(&b.config.Config); err != nil {
		return err
	}

	serving := options.NewSecureServingOptions()
	serving.Listener, serving.BindAddress, serving.BindPort = b.gate, b.gate.addr.IP, b.gate.addr.Port
	serving.ServerCert.CertDirectory = "" // keep the certificate in memory
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	if err := serving.MaybeDefaultWithSelfSignedCerts("localhost", names, []net.IP{net.IPv4(127, 0, 0, 1), serviceIP(b.options.ServiceNetwork, apiServiceIndex)}); err != nil {
		return err
	}
	b.caBundle, _ = serving.ServerCert.GeneratedCert.CurrentCertKeyContent()
	if err := serving.WithLoopback().ApplyToConfig(&b.config.Config); err != nil {
		return err
	}
	b.internal = b.config.LoopbackClientConfig
	b.internal.Dial = b.gate.dial
	b.internal.WarningHandler = rest.NoWarnings{} // collecting a deprecated kind is no use of it
	b.internal.DisableCompression = true
	b.internal.QPS = -1 // the server need not be protected from itself
	return nil
}

// secure sets up who may do what.
func (b *builder) secure() error {
	client, err := kubernetes.NewForConfig(b.internal)
	if err != nil {
		return err
	}
	b.informers = informers.NewSharedInformerFactory(client, 0)
	b.config.SharedInformerFactory = b.informers
	b.authorizer = newRBACAuthorizer(b.informers.Rbac().V1())
	b.config.Authentication.APIAudiences = authenticator.Audiences{Issuer}
	b.config.Authentication.Authenticator = newAuthenticator(b.adminToken, b.tokens)
	b.config.Authorization.Authorizer = authorizer.AuthorizerFunc(b.authorizer.authorize)
	audit(b.config, b.options.Calls)
	b.config.RuleResolver = nil // SelfSubjectRulesReview is answered by the RBAC authorizer itself
	b.config.AdmissionControl, err = newAdmission(client, b.informers)
	return err
}

// publish sets up discovery, OpenAPI and the version.
func (b *builder) publish() {
	c := b.config
	c.MergedResourceConfig = apiextensions.DefaultAPIResourceConfigSource()
	extensionScheme := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(extensionScheme); err != nil {
		panic(err) // it registers types of one package in an empty scheme
	}
	// Names come from client-go's scheme: this server's own one would publish its internal versions.
	namer := openapinamer.NewDefinitionNamer(clientscheme.Scheme, extensionScheme)
	c.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.Definitions, namer)
	c.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.Definitions, namer)
	c.OpenAPIConfig.Info.Title, c.OpenAPIV3Config.Info.Title = "Kubernetes", "Kubernetes"
	c.SkipOpenAPIInstallation = false
	c.EffectiveVersion = namedVersion{c.EffectiveVersion}
}

// namedVersion says a version that clients can parse: the library's own is a placeholder, at which `kubectl version` fails.
type namedVersion struct{ compatibility.EffectiveVersion }

func (namedVersion) Info() *version.Info {
	return &version.Info{
		Major: "1", Minor: "37", GitVersion: "v1.37.2+sandbox",
		GoVersion: goruntime.Version(), Compiler: goruntime.Compiler, Platform: goruntime.GOOS + "/" + goruntime.GOARCH,
	}
}

func (b *builder) extensionConfig() *apiextensions.Config {
	c := b.config
	return &apiextensions.Config{GenericConfig: c, ExtraConfig: apiextensions.ExtraConfig{
		CRDRESTOptionsGetter: apiextensionsoptions.NewCRDRESTOptionsGetter(*b.etcd, c.ResourceTransformers, c.StorageObjectCountTracker),
		MasterCount:          1,
		ServiceResolver:      webhook.NewDefaultServiceResolver(),
		AuthResolverWrapper:  webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, b.internal, nooptrace.NewTracerProvider()),
	}}
}

func (b *builder) adminConfig() *rest.Config {
	return &rest.Config{
		Host: b.host(), BearerToken: b.adminToken, QPS: -1,
		DisableCompression: true, // nothing leaves the machine
		TLSClientConfig:    rest.TLSClientConfig{CAData: b.caBundle},
	}
}

func writeKubeconfig(path string, c *rest.Config) error {
	const name = "runnel-sandbox"
	k := clientcmdapi.NewConfig()
	k.Clusters[name] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
	k.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: c.BearerToken}
	k.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: corev1.NamespaceDefault}
	k.CurrentContext = name
	if err := clientcmd.WriteToFile(*k, path); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	return nil
}
